"""The public file of Simple Pose: which tensors go where, and what is refused."""

import json
import re
from functools import cache

import numpy as np
import pytest
import torch
from recorded import recorded_state

from gog_pose.checkpoints.public import import_weights
from gog_pose.checkpoints.public_names import require_fit
from gog_pose.checkpoints.simple_pose_names import is_simple_pose, translate_network
from gog_pose.errors import InputError
from gog_pose.estimator import PoseEstimator
from gog_pose.methods.simple_pose.body import body_of, public_order
from gog_pose.methods.simple_pose.heads import SimplePoseHeads
from gog_pose.methods.simple_pose.official import OfficialDecoder
from gog_pose.networks import PoseNetwork
from gog_pose.networks.trunks.identity_mapping_hourglass import IdentityMappingHourglass
from gog_pose.skeleton import load_skeleton

COCO = load_skeleton("coco_19")
SKELETONS = {skeleton.num_limbs: skeleton for skeleton in map(load_skeleton, ("crowdpose", "coco_19"))}
MAPS = 50
_LEVELS = {"skips": "0", "downs": "1", "middle": "4"}


def theirs(name):
    """The public name of one of our trunk's tensors."""
    parts = name.split(".")
    field = parts.pop()
    kind = {"0": "conv", "1": "bn"}
    if parts[0] == "stem":
        if parts[1] == "far":
            return f"pre.dilation.{parts[2]}.{kind[parts[3]]}.{field}"
        number = {"0": "", "1": "res1", "3": "res2"}[parts[2]]
        return f"pre.{number}.{inner(parts[3:])}.{field}" if number else f"pre.{kind[parts[3]]}1.{field}"
    if parts[0] == "hourglasses":
        stack, level = parts[1], parts[2]
        if level == "middle":
            return f"hourglass.{stack}.hg.3.4.{inner(parts[3:])}.{field}"
        if level == "ups":
            number = {"0": "2", "2": "3"}[parts[4]]
            last = inner(parts[5:]) if number == "2" else kind[parts[5]]
            return f"hourglass.{stack}.hg.{parts[3]}.{number}.{last}.{field}"
        return f"hourglass.{stack}.hg.{parts[3]}.{_LEVELS[level]}.{inner(parts[4 + (level == 'downs') :])}.{field}"
    if parts[0] == "features":
        last = f"fc.{parts[5]}" if parts[3] == "2" else kind[parts[4]]
        return f"features.{parts[1]}.before_regress.{parts[2]}.{parts[3]}.{last}.{field}"
    merge = {"from_guides": "merge_preds", "from_features": "merge_features"}.get(parts[3])
    if merge is None:
        return f"outs.{parts[1]}.{parts[2]}.conv.{field}"
    return f"{merge}.{parts[1]}.{parts[2]}.conv.{kind[parts[4]]}.{field}"


def inner(parts):
    """A layer of a residual block, by its public name."""
    if parts[0] == "skip":
        return f"skipConv.{parts[1]}"
    return f"convBlock.{3 * int(parts[1]) + int(parts[2])}"


def public_tensors():
    """Tensors without numbers by the public names: those of our trunk, and the last stack's maps."""
    return dict(_public_tensors())


@cache
def _public_tensors():
    with torch.device("meta"):
        trunk = IdentityMappingHourglass(scales=5)
        heads = {
            f"outs.3.{scale}.conv.{field}": torch.zeros(MAPS, *shape)
            for scale in range(5)
            for field, shape in (("weight", (256, 1, 1)), ("bias", ()))
        }
    return {f"module.posenet.{theirs(name)}": tensor for name, tensor in trunk.state_dict().items()} | {
        f"module.posenet.{name}": tensor for name, tensor in heads.items()
    }


def test_the_names_are_those_of_the_public_file(golden):
    public = {name.removeprefix("module."): list(tensor.shape) for name, tensor in public_tensors().items()}
    assert public == json.loads((golden / "imhn4_posenet_keys.json").read_text())


def test_every_tensor_fits():
    state = public_tensors()
    assert is_simple_pose(state)
    weights = translate_network(state)
    assert (weights.kind, weights.trunk, weights.heads) == (
        "simple_pose",
        {"stacks": 4, "scales": 5},
        {"body": "neck"},
    )
    assert weights.num_keypoints == 17
    with torch.device("meta"):
        trunk = IdentityMappingHourglass(**weights.trunk)
        network = PoseNetwork(COCO, trunk, lambda *parts: SimplePoseHeads(*parts, **weights.heads))
    expected = network.state_dict()
    assert {name: tensor.shape for name, tensor in weights.tensors.items()} == {
        name: tensor.shape for name, tensor in expected.items()
    }


def test_maps_become_heads_in_our_order():
    state = public_tensors()
    state["module.posenet.outs.2.1.conv.bias"] = torch.arange(float(MAPS))
    tensors = translate_network(state).tensors
    place = 5 * 2 + 3  # the third stack's second finest
    assert tensors[f"heads.limb.{place}.bias"].tolist() == list(range(30))
    assert tensors[f"heads.heatmap.{place}.bias"].tolist() == [30 + channel for channel in public_order(COCO)]
    assert tensors["trunk.carries.2.1.guides.bias"].tolist() == list(range(MAPS))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("module.posenet.outs.3.4.conv.weight"), "is missing"),
        (lambda state: state.pop("module.posenet.pre.res1.convBlock.0.weight"), "stem.near.1.* is missing"),
        (lambda state: state.update({"hourglass.0.hg.0.5.conv.weight": torch.zeros(1)}), "not the public file"),
        (lambda state: state.update({"outs.3.0.conv.bias": torch.zeros(17)}), r"outs\.3\.0\.conv\.bias: has 17 maps"),
        (lambda state: state.clear(), "no head: not the public file"),
    ],
    ids=["no head", "no layer", "another part", "fewer maps", "nothing"],
)
def test_what_does_not_fit_is_refused(change, message):
    state = public_tensors()
    change(state)
    with pytest.raises(InputError, match=message):
        require_fit(translate_network(state).tensors, translate_network(public_tensors()).tensors)


def test_the_other_network_of_the_repository_is_refused(golden):
    shapes = json.loads((golden / "imhn4_posenet_final_keys.json").read_text())
    state = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    with pytest.raises(InputError, match=r"not the public file of Simple Pose \(models/posenet\.py\)"):
        translate_network(state)


@pytest.mark.slow  # half a gigabyte of weights is drawn, written and read; the trunk's test has its names and its maps
def test_the_imported_network_predicts_what_the_program_does(golden, tmp_path):
    torch.save({"weights": recorded_state(golden / "imhn4_posenet_keys.json"), "epoch": 52}, tmp_path / "public.pth")
    imported = import_weights(tmp_path / "public.pth", tmp_path / "ours.ckpt", "auto", SKELETONS)
    # Without the 2 maps of 257 numbers of the last stack's five heads; with those of the other stacks' heads.
    assert imported.num_parameters == 128_934_510 + 20 * 48 * 257
    assert imported.skeleton == COCO
    estimator = PoseEstimator.from_checkpoint(tmp_path / "ours.ckpt")
    assert estimator.decoder == OfficialDecoder(COCO)
    preprocessing = estimator.preprocessing
    assert (preprocessing.height, preprocessing.channel_order, preprocessing.border_rgb) == (640, "bgr", (128,) * 3)
    white = np.full((2, 2, 3), 255, dtype=np.uint8)
    assert (preprocessing.to_tensor(white) == 1).all()
    files = sorted(golden.glob("imhn4_posenet_[0-9]*x[0-9]*.npz"))
    assert files
    limbs = body_of(COCO, "neck").num_limbs
    for file in files:
        recorded = np.load(file)
        with torch.inference_mode():
            outputs = estimator.network(torch.from_numpy(recorded["x"]).float().permute(0, 3, 1, 2))
        assert len(outputs) == 20
        for name in recorded.files:
            if name == "x":
                continue
            stack, scale = map(int, re.fullmatch(r"stack_(\d)_scale_(\d)", name).groups())
            maps, public = outputs[5 * stack + 4 - scale], recorded[name]
            largest = np.abs(public).max()
            assert np.abs(maps.limbs.numpy() - public[:, :limbs]).max() < 1e-5 * largest, (file.name, name)
            heatmaps = public[:, [limbs + channel for channel in public_order(COCO)]]
            assert np.abs(maps.heatmaps.numpy() - heatmaps).max() < 1e-5 * largest, (file.name, name)
