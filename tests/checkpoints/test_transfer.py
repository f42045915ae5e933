"""A network takes from a checkpoint what fits it, and says what it took."""

from functools import partial

import pytest
import torch

from gog_pose.checkpoints.description import describe
from gog_pose.checkpoints.transfer import start_from
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
        ({"method": "centernet"}, "the file's are of method centernet"),
        ({"skeleton": "coco_16"}, "the file's are for coco_16"),
        ({"neck": True, "stacks": 1}, "the file's have other shapes"),
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


def test_heads_with_other_options_stay_new(checkpoint):
    trained = network(seed=1)
    with_refinement = PoseNetwork(
        load_skeleton("coco_19"), build_trunk("hourglass", **SHAPE), partial(load_method("gog").heads, refinement=3)
    )
    transfer = start_from(with_refinement, checkpoint(trained))
    assert transfer.new == {"heads": "the file's have other shapes"}
