"""The network has the paper's size, answers every stack, and can be rebuilt from plain values."""

import pytest
import torch

from gog_pose.errors import InputError
from gog_pose.models import Hourglass, PoseNetwork
from gog_pose.skeleton import load_skeleton

TINY = {"channels": (8, 12, 16), "blocks": (1, 2, 1), "stem_channels": 4}


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("name", "parameters"), [("coco_19", 187_728_622), ("coco_31", 187_740_958), ("coco_44", 187_754_322)]
)
def test_hourglass_104_has_the_published_number_of_parameters(name, parameters):
    with torch.device("meta"):
        trunk = Hourglass()
        network = PoseNetwork(load_skeleton(name), trunk)
    assert count(trunk) == 187_700_352
    assert count(network) == parameters
    assert network.max_stride == 128


@pytest.mark.parametrize("stacks", [1, 2, 3])
def test_every_stack_answers_at_the_stride(stacks):
    network = PoseNetwork(load_skeleton("coco_19"), Hourglass(stacks=stacks, **TINY))
    answers = network(torch.randn(2, 3, 32, 64))
    assert len(answers) == stacks
    for maps in answers:
        assert maps.heatmaps.shape == (2, 17, 8, 16)
        assert maps.offsets.shape == (2, 38, 8, 16)


@pytest.mark.parametrize("refinement", [0, 3])
def test_every_parameter_takes_part_in_the_last_answer_or_an_earlier_one(refinement):
    """DDP fails on parameters without a gradient."""
    network = PoseNetwork(load_skeleton("coco_19"), Hourglass(stacks=2, **TINY), refinement=refinement)
    answers = network(torch.randn(1, 3, 32, 32))
    assert all((maps.refinements is not None) == bool(refinement) for maps in answers)
    torch.stack([field.sum() for maps in answers for field in maps if field is not None]).sum().backward()
    assert [name for name, parameter in network.named_parameters() if parameter.grad is None] == []


def test_offsets_are_in_px_whatever_the_unit():
    skeleton = load_skeleton("coco_16")
    one = PoseNetwork(skeleton, Hourglass(stacks=1, **TINY), offset_unit=1.0).eval()
    other = PoseNetwork(skeleton, Hourglass(stacks=1, **TINY), offset_unit=32.0).eval()
    other.load_state_dict(one.state_dict())
    image = torch.randn(1, 3, 32, 32)
    torch.testing.assert_close(other(image)[-1].offsets, 32 * one(image)[-1].offsets)


@pytest.mark.parametrize("refinement", [0, 3])
def test_rebuilt_from_plain_values_with_the_same_weights_answers_the_same(refinement):
    skeleton = load_skeleton("coco_19")
    network = PoseNetwork(skeleton, Hourglass(stacks=2, **TINY), offset_unit=8.0, refinement=refinement).eval()
    rebuilt = PoseNetwork.from_dict(skeleton, network.to_dict()).eval()
    rebuilt.load_state_dict(network.state_dict())
    image = torch.randn(1, 3, 32, 32)
    for ours, theirs in zip(rebuilt(image)[-1], network(image)[-1], strict=True):
        assert (ours is None) == (theirs is None)
        assert ours is None or torch.equal(ours, theirs)


def test_descriptions_written_before_there_were_refinements_are_understood():
    description = PoseNetwork(load_skeleton("coco_19"), Hourglass(stacks=1, **TINY)).to_dict()
    del description["refinement"]
    assert not PoseNetwork.from_dict(load_skeleton("coco_19"), description).heads.refinement


@pytest.mark.parametrize("options", [{"stacks": 0}, {"channels": (8,)}, {"blocks": (1, 1)}])
def test_options_that_do_not_fit_are_refused(options):
    with pytest.raises(ValueError, match="hourglass"):
        Hourglass(**{**TINY, **options})


def test_a_description_of_something_else_is_refused():
    with pytest.raises(InputError, match="does not describe a network"):
        PoseNetwork.from_dict(load_skeleton("coco_19"), {"trunk": {"depth": 50}, "offset_unit": 1.0})


def test_recomputing_changes_memory_and_nothing_else():
    def step(recompute):
        torch.manual_seed(0)
        network = PoseNetwork(load_skeleton("coco_16"), Hourglass(stacks=2, recompute=recompute, **TINY))
        saved = []

        def keep(tensor):
            saved.append(tensor)
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            answers = network(torch.randn(2, 3, 64, 64))
        kept = {tensor.data_ptr(): tensor.nbytes for tensor in saved}  # what several operations save is there once
        sum(maps.heatmaps.square().sum() + maps.offsets.square().sum() for maps in answers).backward()
        gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
        return sum(kept.values()), gradients, dict(network.named_buffers())

    plain_bytes, plain_gradients, plain_buffers = step(recompute=False)
    bytes_, gradients, buffers = step(recompute=True)
    assert bytes_ < 0.5 * plain_bytes
    torch.testing.assert_close(gradients, plain_gradients)
    torch.testing.assert_close(buffers, plain_buffers, rtol=0, atol=0)
