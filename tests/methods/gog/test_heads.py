"""Heads of all forms: their outputs, and their description in a checkpoint."""

import math
from functools import partial

import pytest
import torch

from gog_pose.errors import InputError
from gog_pose.methods.gog.heads import GogHeads
from gog_pose.methods.method import FeatureMap
from gog_pose.networks import PoseNetwork
from gog_pose.networks.trunk import build_trunk
from gog_pose.skeleton import load_skeleton

SKELETON = load_skeleton("coco_19")


@pytest.mark.parametrize("form", ["linear", "conv", "separable"])
@pytest.mark.parametrize("response", ["linear", "sigmoid"])
def test_a_described_network_is_the_same(form, response):
    torch.manual_seed(0)
    trunk = build_trunk("hourglass", stacks=1, channels=[8, 12], blocks=[1, 1], stem_channels=4)
    network = PoseNetwork(
        SKELETON, trunk, partial(GogHeads, form=form, response=response, refinement=3, spread=True)
    ).eval()
    again = PoseNetwork.from_dict(SKELETON, "gog", network.to_dict()).eval()
    again.load_state_dict(network.state_dict())
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        for own, other in zip(network(images)[0], again(images)[0], strict=True):
            assert torch.equal(own, other)


@pytest.mark.parametrize("form", ["linear", "conv", "separable"])
def test_without_spreads_the_network_is_the_same(form):
    """The head for spreads is initialized last, so that it does not change the other heads."""
    features = [FeatureMap(12, 4), FeatureMap(12, 4)]
    heads = []
    for spread in (False, True):
        torch.manual_seed(0)
        heads.append(GogHeads(SKELETON, features, form=form, refinement=3, spread=spread))
    without, with_spreads = heads
    inputs = [torch.randn(2, 12, 4, 4) for _ in features]
    for maps, others in zip(without(inputs), with_spreads(inputs), strict=True):
        assert maps.spreads is None
        assert others.spreads.shape == (2, SKELETON.num_limbs, 4, 4)
        for one, other in zip(maps[:3], others[:3], strict=True):
            assert torch.equal(one, other)
    assert not [name for name in without.state_dict() if "spread" in name]


def test_spreads_start_at_a_cell_and_have_a_soft_lower_bound():
    """A raw value of -12 lies 10 below the bound of -2: log cells of -2.1; the cells are 4 and 8 px wide."""
    heads = GogHeads(SKELETON, [FeatureMap(12, 4), FeatureMap(12, 8)], spread=True)
    silent = [torch.zeros(1, 12, 2, 2)] * 2
    for raw, cells in ((0.0, 0.0), (1.5, 1.5), (-12.0, -2.1)):
        if raw:
            for head in heads.spread:
                torch.nn.init.constant_(head.bias, raw)
        for stride, maps in zip((4, 8), heads(silent), strict=True):
            torch.testing.assert_close(maps.spreads, torch.full_like(maps.spreads, cells + math.log(stride)))


def test_responses_of_logits_start_near_a_tenth():
    heads = GogHeads(SKELETON, [FeatureMap(24, 4)], form="separable", response="sigmoid")
    maps = heads([torch.zeros(1, 24, 4, 4)])[0]
    assert maps.heatmaps.min() > 0.03
    assert maps.heatmaps.max() < 0.3


@pytest.mark.parametrize("option", ["form", "response"])
def test_an_unknown_option_is_refused(option):
    with pytest.raises(InputError, match=rf"heads.{option}: 'deep' is unknown; choose linear"):
        GogHeads(SKELETON, [FeatureMap(24, 4)], **{option: "deep"})
