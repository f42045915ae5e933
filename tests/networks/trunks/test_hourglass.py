"""The hourglass: impossible shapes are refused, and less memory changes nothing else."""

import pytest
import torch
from small_networks import TINY

from gog_pose.methods.gog.heads import GogHeads
from gog_pose.networks import PoseNetwork
from gog_pose.networks.trunk import build_trunk, describe_trunk, trunk_names
from gog_pose.networks.trunks.hourglass import Hourglass
from gog_pose.skeleton import load_skeleton


@pytest.mark.parametrize("options", [{"stacks": 0}, {"channels": (8,)}, {"blocks": (1, 1)}])
def test_options_that_do_not_fit_are_refused(options):
    with pytest.raises(ValueError, match="hourglass"):
        Hourglass(**{**TINY, **options})


def test_its_file_is_its_name_and_its_options_build_it_again():
    assert "hourglass" in trunk_names()
    trunk = Hourglass(stacks=2, recompute=True, **TINY)
    again = build_trunk(**describe_trunk(trunk))
    assert describe_trunk(again) == describe_trunk(trunk)
    assert [feature.stride for feature in again.feature_maps] == [4, 4]
    assert again.max_stride == trunk.max_stride == 16
    assert not again.recompute  # how it was trained


def test_recomputing_changes_memory_and_nothing_else():
    def step(recompute):
        torch.manual_seed(0)
        trunk = Hourglass(stacks=2, recompute=recompute, **TINY)
        network = PoseNetwork(load_skeleton("coco_16"), trunk, GogHeads)
        saved = []

        def keep(tensor):
            saved.append(tensor)
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            outputs = network(torch.randn(2, 3, 64, 64))
        kept = {tensor.data_ptr(): tensor.nbytes for tensor in saved}  # what several operations save is there once
        sum(maps.heatmaps.square().sum() + maps.offsets.square().sum() for maps in outputs).backward()
        gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
        return sum(kept.values()), gradients, dict(network.named_buffers())

    plain_bytes, plain_gradients, plain_buffers = step(recompute=False)
    bytes_, gradients, buffers = step(recompute=True)
    assert bytes_ < 0.5 * plain_bytes
    torch.testing.assert_close(gradients, plain_gradients)
    torch.testing.assert_close(buffers, plain_buffers, rtol=0, atol=0)
