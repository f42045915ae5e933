"""Necks: conversion of feature maps to those that the heads need."""

import pytest
import torch

from gog_pose.methods.method import FeatureMap
from gog_pose.networks.necks import FeaturePyramid, build_neck, describe_neck

FEATURES = (FeatureMap(4, 4), FeatureMap(6, 8), FeatureMap(8, 32))


def features(height=64, width=96, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(2, one.channels, height // one.stride, width // one.stride, generator=generator) for one in FEATURES
    ]


def test_a_pyramid_gives_one_map_of_the_finest_stride():
    neck = FeaturePyramid(FEATURES, channels=16)
    assert neck.feature_maps == (FeatureMap(16, 4),)
    (merged,) = neck(features())
    assert merged.shape == (2, 16, 16, 24)


@pytest.mark.parametrize("level", range(len(FEATURES)))
def test_every_level_of_a_pyramid_counts_where_it_is(level):
    """A change in one corner of a level changes this corner of the result, not the opposite one."""
    neck = FeaturePyramid(FEATURES, channels=16).eval()
    before, changed = features(), features()
    changed[level][..., 0, 0] += 10
    difference = (neck(changed)[0] - neck(before)[0]).abs().amax(dim=(0, 1))
    assert difference[0, 0] > 0
    assert not difference[-4:, -6:].any()


def test_every_parameter_of_a_pyramid_gets_a_gradient():
    neck = FeaturePyramid(FEATURES, channels=16)
    neck(features())[0].square().sum().backward()
    assert all(parameter.grad is not None for parameter in neck.parameters())


@pytest.mark.parametrize("keep", [False, True])
def test_a_neck_is_built_again_from_plain_values(keep):
    neck = FeaturePyramid(FEATURES, channels=24, keep=keep)
    description = describe_neck(neck)
    assert description == {"name": "feature_pyramid", "channels": 24, "keep": keep}
    again = build_neck(FEATURES, **description)
    again.load_state_dict(neck.state_dict())
    torch.testing.assert_close(again.eval()(features()), neck.eval()(features()))


def test_a_kept_map_comes_first_and_as_it_is():
    torch.manual_seed(0)
    neck = FeaturePyramid(FEATURES, channels=24, keep=True).eval()
    (output,) = neck(features())
    first = features()[0]
    assert output.shape[1] == neck.feature_maps[0].channels == first.shape[1] + 24
    assert torch.equal(output[:, : first.shape[1]], first)
