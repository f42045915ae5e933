"""A network takes the fitting parts of a checkpoint, and lists them."""

import copy
from functools import partial

import pytest
import torch

from gog_pose.checkpoints.description import describe
from gog_pose.checkpoints.transfer import start_from, widened
from gog_pose.errors import InputError
from gog_pose.imaging.preprocessing import Preprocessing
from gog_pose.methods import load_method
from gog_pose.networks import PoseNetwork
from gog_pose.networks.necks import FeaturePyramid
from gog_pose.networks.trunk import build_trunk
from gog_pose.skeleton import load_skeleton

SHAPE = {"stacks": 1, "channels": (8, 12), "blocks": (1, 1), "stem_channels": 4}


def network(method="gog", skeleton="coco_19", seed=0, neck=False, **shape):
    torch.manual_seed(seed)
    trunk = build_trunk("hourglass", **{**SHAPE, **shape})
    own = FeaturePyramid(trunk.feature_maps, channels=8) if neck else None
    return PoseNetwork(load_skeleton(skeleton), trunk, load_method(method).heads, own)


@pytest.fixture
def checkpoint(tmp_path):
    def write(trained):
        decoder = load_method(trained.method).decoder(trained.skeleton)
        state = {f"network.{name}": tensor for name, tensor in trained.state_dict().items()}
        path = tmp_path / "trained.ckpt"
        torch.save({"state_dict": state, "gog_pose": describe(trained, decoder, Preprocessing())}, path)
        return path

    return write


def equal(one, other, part):
    mine, theirs = (network.get_submodule(part).state_dict() for network in (one, other))
    return all(torch.equal(tensor, theirs[name]) for name, tensor in mine.items())


def test_all_is_taken_where_method_and_skeleton_agree(checkpoint):
    trained, new = network(seed=1), network(seed=2)
    transfer = start_from(new, checkpoint(trained))
    assert equal(new, trained, "trunk")
    assert equal(new, trained, "heads")
    assert transfer.taken == {part: len(trained.get_submodule(part).state_dict()) for part in ("trunk", "heads")}
    assert transfer.new == {}


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"method": "centernet"}, "the file has heads of method centernet"),
        ({"neck": True, "stacks": 1}, "the shapes in the file differ"),
    ],
)
def test_heads_of_something_else_stay_new(checkpoint, other, reason):
    trained = network(seed=1, **other)
    if "neck" in other:  # the same trunk and method, but heads on more channels
        trained = PoseNetwork(
            trained.skeleton,
            trained.trunk,
            load_method("gog").heads,
            FeaturePyramid(trained.trunk.feature_maps, channels=10),
        )
    new = network(seed=2)
    before = {name: tensor.clone() for name, tensor in new.heads.state_dict().items()}
    transfer = start_from(new, checkpoint(trained))
    assert equal(new, trained, "trunk")
    assert all(torch.equal(tensor, before[name]) for name, tensor in new.heads.state_dict().items())
    assert transfer.new == {"heads": reason}
    assert reason in str(transfer)


def mobilenet(method, seed, *, norm=False, wide=False, skeleton="coco_19"):
    torch.manual_seed(seed)
    trunk = build_trunk("mobilenet_fpn", norm=norm, taps=wide)
    neck = FeaturePyramid(trunk.feature_maps, channels=16, keep=True) if wide else None
    response = {"response": "sigmoid"} if method == "gog" else {}
    heads = partial(load_method(method).heads, form="separable", **response)
    return PoseNetwork(load_skeleton(skeleton), trunk, heads, neck)


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("norm", [False, True])
def test_heads_of_another_method_predict_the_same_responses_also_on_more_channels(checkpoint, wide, norm):
    trained = mobilenet("centernet", 1).eval()
    new = mobilenet("gog", 2, norm=norm, wide=wide, skeleton="coco_44").eval()
    images = torch.randn(2, 3, 64, 96)
    transfer = start_from(new, checkpoint(trained), lambda: [images])
    assert transfer.taken == {
        "trunk": len(trained.trunk.state_dict()),
        "heads.heatmap": 5,  # a filter, two convolutions with biases
        "heads.offset": 3,  # all but the last convolution
    }
    assert transfer.new == ({"neck": "the file has none"} if wide else {})
    with torch.no_grad():
        torch.testing.assert_close(new(images)[0].heatmaps, trained(images)[0].heatmaps, rtol=1e-4, atol=1e-5)
    assert equal_layers(new.heads.offset[0][1], trained.heads.offsets[0][1])


def equal_layers(wide, narrow):
    return torch.equal(wide.weight[:, : narrow.weight.shape[1]], narrow.weight) and torch.equal(wide.bias, narrow.bias)


def test_another_list_of_limbs_keeps_the_responses(checkpoint):
    trained, new = mobilenet("gog", 1, skeleton="coco_19"), mobilenet("gog", 2, skeleton="coco_44")
    assert set(start_from(new, checkpoint(trained)).taken) == {"trunk", "heads.heatmap", "heads.offset"}


def test_other_keypoints_keep_nothing_of_the_heads(checkpoint):
    transfer = start_from(mobilenet("gog", 2, skeleton="crowdpose"), checkpoint(mobilenet("gog", 1)))
    assert transfer.taken.keys() == {"trunk"}
    assert transfer.new == {"heads": "the file has heads for coco_19"}


def test_a_wider_layer_computes_what_the_narrower_one_does():
    torch.manual_seed(0)
    narrow, wide = torch.nn.Conv2d(3, 4, 3), torch.nn.Conv2d(5, 6, 3)
    weights, biases = widened(wide.weight.data, narrow.weight.data), widened(wide.bias.data, narrow.bias.data)
    x = torch.randn(1, 5, 8, 8)
    found = torch.nn.functional.conv2d(x, weights, biases)
    torch.testing.assert_close(found[:, :4], narrow(x[:, :3]))
    rms = weights[4:].square().mean().sqrt()
    torch.testing.assert_close(rms, narrow.weight.square().mean().sqrt())


def test_a_narrower_or_another_layer_is_refused():
    for own in (torch.zeros(3, 3, 3, 3), torch.zeros(4, 3, 1, 1), torch.zeros(4)):
        with pytest.raises(InputError, match="another network"):
            widened(own, torch.zeros(4, 3, 3, 3))


def test_a_neck_is_taken_where_it_fits(checkpoint):
    trained, new = network(seed=1, neck=True, method="centernet"), network(seed=2, neck=True)
    transfer = start_from(new, checkpoint(trained))
    assert equal(new, trained, "neck")
    assert set(transfer.taken) == {"trunk", "neck"}
    assert start_from(new, checkpoint(network(seed=1))).new["neck"] == "the file has none"


def test_another_trunk_is_refused_with_the_file_named(checkpoint):
    path = checkpoint(network(stem_channels=6))
    with pytest.raises(InputError, match=rf"{path}: .*has shape"):
        start_from(network(), path)


def test_nothing_changes_where_the_trunk_is_refused(checkpoint):
    path = checkpoint(network(seed=1, stem_channels=6))
    new = network(seed=2)
    before = {name: tensor.clone() for name, tensor in new.state_dict().items()}
    with pytest.raises(InputError):
        start_from(new, path)
    assert all(torch.equal(tensor, before[name]) for name, tensor in new.state_dict().items())


def with_options(seed, **options):
    torch.manual_seed(seed)
    heads = partial(load_method("gog").heads, **options)
    return PoseNetwork(load_skeleton("coco_19"), build_trunk("hourglass", **SHAPE), heads)


def test_a_branch_that_the_file_lacks_stays_new_and_all_others_are_taken(checkpoint):
    trained, new = network(seed=1), with_options(2, spread=True)
    initial = copy.deepcopy(new.heads.spread.state_dict())
    transfer = start_from(new, checkpoint(trained))
    assert equal(new, trained, "heads.heatmap")
    assert equal(new, trained, "heads.offset")
    assert all(torch.equal(tensor, initial[name]) for name, tensor in new.heads.spread.state_dict().items())
    assert set(transfer.taken) == {"trunk", "heads.heatmap", "heads.offset"}
    assert transfer.new == {"heads.spread": "the file has none"}


def test_heads_with_a_branch_less_than_the_file_stay_new(checkpoint):
    transfer = start_from(network(seed=2), checkpoint(with_options(1, spread=True)))
    assert transfer.new == {"heads": "the shapes in the file differ"}


def test_heads_with_another_branch_in_its_place_stay_new(checkpoint):
    transfer = start_from(with_options(2, refinement=3), checkpoint(with_options(1, spread=True)))
    assert transfer.new == {"heads": "the shapes in the file differ"}
