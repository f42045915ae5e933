"""Heads of all forms: their outputs, and their description in a checkpoint."""

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
    network = PoseNetwork(SKELETON, trunk, partial(GogHeads, form=form, response=response, refinement=3)).eval()
    again = PoseNetwork.from_dict(SKELETON, "gog", network.to_dict()).eval()
    again.load_state_dict(network.state_dict())
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        for own, other in zip(network(images)[0], again(images)[0], strict=True):
            assert torch.equal(own, other)


def test_responses_of_logits_start_near_a_tenth():
    heads = GogHeads(SKELETON, [FeatureMap(24, 4)], form="separable", response="sigmoid")
    maps = heads([torch.zeros(1, 24, 4, 4)])[0]
    assert maps.heatmaps.min() > 0.03
    assert maps.heatmaps.max() < 0.3


@pytest.mark.parametrize("option", ["form", "response"])
def test_an_unknown_option_is_refused(option):
    with pytest.raises(InputError, match=rf"heads.{option}: 'deep' is unknown; choose linear"):
        GogHeads(SKELETON, [FeatureMap(24, 4)], **{option: "deep"})
