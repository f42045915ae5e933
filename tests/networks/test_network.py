"""A network of trunk, neck and heads: the size of the paper's, and plain values from which it is rebuilt."""

import pytest
import torch
from small_networks import TINY, network_of
from torch import nn

from gog_pose.errors import InputError
from gog_pose.methods import load_method, method_names
from gog_pose.methods.gog.heads import GogHeads
from gog_pose.methods.method import FeatureMap
from gog_pose.networks import PoseNetwork
from gog_pose.networks.necks import FeaturePyramid
from gog_pose.networks.trunks.hourglass import Hourglass
from gog_pose.skeleton import load_skeleton

SKELETON = load_skeleton("coco_19")


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("name", "parameters"), [("coco_19", 187_728_622), ("coco_31", 187_740_958), ("coco_44", 187_754_322)]
)
def test_hourglass_104_has_the_published_number_of_parameters(name, parameters):
    with torch.device("meta"):
        trunk = Hourglass()
        network = PoseNetwork(load_skeleton(name), trunk, GogHeads)
    assert count(trunk) == 187_700_352
    assert count(network) == parameters
    assert network.max_stride == 128


@pytest.mark.parametrize("method", method_names())
@pytest.mark.parametrize("stacks", [1, 2, 3])
def test_every_output_has_the_maps_of_the_method(method, stacks):
    network = network_of(method, stacks=stacks)
    fields = load_method(method).decoder(SKELETON, stride=network.stride).fields
    outputs = network(torch.randn(2, 3, 32, 64))
    assert network.method == method
    assert len(outputs) == stacks
    for maps in outputs:
        for field in fields:
            value = getattr(maps, field.name)
            assert (value is None) if field.optional else (value.shape[:2] == (2, field.num_maps))
            assert value is None or value.shape[2:] == (32 // field.stride, 64 // field.stride)


@pytest.mark.parametrize(("method", "options"), [("gog", {}), ("gog", {"refinement": 3}), ("centernet", {})])
def test_every_parameter_takes_part_in_some_output(method, options):
    """DDP fails on parameters without a gradient."""
    network = network_of(method, stacks=2, **options)
    outputs = network(torch.randn(1, 3, 32, 32))
    torch.stack([field.sum() for maps in outputs for field in maps if field is not None]).sum().backward()
    assert [name for name, parameter in network.named_parameters() if parameter.grad is None] == []


@pytest.mark.parametrize("refinement", [0, 3])
def test_refinement_offsets_are_predicted_where_they_are_asked_for(refinement):
    outputs = network_of("gog", stacks=2, refinement=refinement)(torch.randn(1, 3, 32, 32))
    assert all((maps.refinements is not None) == bool(refinement) for maps in outputs)


@pytest.mark.parametrize("method", ["gog", "centernet"])
def test_offsets_are_in_px_whatever_the_unit(method):
    one, other = (network_of(method, offset_unit=unit).eval() for unit in (1.0, 32.0))
    other.load_state_dict(one.state_dict())
    image = torch.randn(1, 3, 32, 32)
    torch.testing.assert_close(other(image)[-1].offsets, 32 * one(image)[-1].offsets)


class Trained(nn.Module):
    """A trunk with trained weights, among them convolutions and norms, which initializers must not change."""

    feature_maps = (FeatureMap(4, 4), FeatureMap(6, 8))
    max_stride = 8

    def __init__(self):
        super().__init__()
        self.fine = nn.Sequential(nn.Conv2d(3, 4, 3, stride=4, padding=1), nn.BatchNorm2d(4))
        self.coarse = nn.Conv2d(4, 6, 3, stride=2, padding=1)
        self.last = nn.Linear(5, 5)
        for place, parameter in enumerate(self.parameters()):
            nn.init.constant_(parameter, 0.1 * place + 0.3)

    def forward(self, images):
        """Return a fine and a coarse feature map."""
        fine = self.fine(images)
        return [fine, self.coarse(fine)]


@pytest.mark.parametrize("method", method_names())
@pytest.mark.parametrize("with_neck", [False, True])
def test_the_weights_of_a_trunk_stay_as_it_brings_them(method, with_neck):
    trunk = Trained()
    before = {name: tensor.clone() for name, tensor in trunk.state_dict().items()}
    neck = FeaturePyramid(trunk.feature_maps, channels=8) if with_neck else None
    network = PoseNetwork(SKELETON, trunk, load_method(method).heads, neck)
    assert network.trunk is trunk
    assert set(before) == set(trunk.state_dict())
    assert all(torch.equal(tensor, before[name]) for name, tensor in trunk.state_dict().items())


def test_outputs_of_several_strides_are_built_on_their_own_features():
    network = PoseNetwork(SKELETON, Trained(), load_method("centernet").heads).eval()
    fine, coarse = network(torch.randn(1, 3, 32, 64))
    assert fine.heatmaps.shape == (1, 17, 8, 16)
    assert coarse.heatmaps.shape == (1, 17, 4, 8)
    assert network.stride == 8


@pytest.mark.parametrize(
    ("method", "options"),
    [("gog", {"offset_unit": 8.0}), ("gog", {"refinement": 3}), ("centernet", {"offset_unit": 4.0})],
)
@pytest.mark.parametrize("with_neck", [False, True])
def test_rebuilt_from_plain_values_with_the_same_weights_it_predicts_the_same(method, options, with_neck):
    network = network_of(method, stacks=2, with_neck=with_neck, **options).eval()
    description = network.to_dict()
    assert description["trunk"]["name"] == "hourglass"
    assert ("neck" in description) == with_neck
    rebuilt = PoseNetwork.from_dict(SKELETON, method, description).eval()
    assert rebuilt.to_dict() == description
    rebuilt.load_state_dict(network.state_dict())
    image = torch.randn(1, 3, 32, 32)
    for ours, theirs in zip(rebuilt(image)[-1], network(image)[-1], strict=True):
        assert (ours is None) == (theirs is None)
        assert ours is None or torch.equal(ours, theirs)


GOOD = {"trunk": {"name": "hourglass", "stacks": 1, **TINY}, "heads": {"offset_unit": 1.0}}


@pytest.mark.parametrize(
    ("method", "change", "words"),
    [
        ("gog", {"trunk": {"name": "hourglass", "depth": 50}}, r"model\.trunk\.depth: is not an option of Hourglass"),
        ("gog", {"trunk": {"stacks": 1}}, "is not a network of this version"),
        ("gog", {"trunk": {"name": "hourglass", "stacks": 0}}, r"model\.trunk\.stacks: must be .* got 0"),
        ("centernet", {"heads": {"refinement": True}}, r"heads\.refinement: is not an option of CenterHeads"),
        ("gog", {"neck": {"name": "feature_pyramid", "width": 3}}, r"neck\.width: is not an option of FeaturePyramid"),
        ("gog", {"trunk": {"name": "giraffe"}}, r"model\.trunk: 'giraffe' is unknown; choose .*hourglass"),
        ("gog", {"neck": {"name": "giraffe"}}, r"model\.neck: 'giraffe' is unknown; choose .*feature_pyramid"),
        ("giraffe", {}, "method: 'giraffe' is unknown; choose .*gog"),
    ],
)
def test_a_description_of_something_else_is_refused(method, change, words):
    assert PoseNetwork.from_dict(SKELETON, "gog", GOOD).stride == 4
    with pytest.raises(InputError, match=words):
        PoseNetwork.from_dict(SKELETON, method, {**GOOD, **change})
