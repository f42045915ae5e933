"""The public names: every tensor of both families has its place and its shape in our network."""

import json
import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from public_names import centernet_tensors, offsetguided_tensors
from recorded import drawn

from gog_pose.checkpoints.public_names import our_name, require_fit, translate
from gog_pose.errors import InputError
from gog_pose.methods import load_method
from gog_pose.networks import PoseNetwork
from gog_pose.networks.trunks.hourglass import Hourglass
from gog_pose.skeleton import load_skeleton

GOLDEN = os.environ.get("GOG_GOLDEN")


def hourglass_104(method, **options):
    heads = partial(load_method(method).heads, **options)
    return PoseNetwork(load_skeleton("coco_19"), Hourglass(), heads)


def empty(shapes):
    return {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}


def test_every_tensor_of_the_authors_fits():
    with torch.device("meta"):
        expected = hourglass_104("gog").state_dict()
    weights = translate(empty(offsetguided_tensors(19)))
    assert (weights.kind, weights.num_limbs) == ("offsetguided", 19)
    assert set(weights.tensors) == set(expected)
    assert all(tensor.shape == expected[name].shape for name, tensor in weights.tensors.items())


def test_every_tensor_of_centernet_fits():
    with torch.device("meta"):
        expected = hourglass_104("centernet").state_dict()
    weights = translate(empty(centernet_tensors()))
    assert (weights.kind, weights.num_limbs) == ("centernet", None)
    assert set(weights.tensors) == set(expected)
    assert all(tensor.shape == expected[name].shape for name, tensor in weights.tensors.items())


@pytest.mark.parametrize("limbs", [16, 31, 44])
def test_the_heads_say_how_many_limbs(limbs):
    assert translate(empty(offsetguided_tensors(limbs))).num_limbs == limbs


def test_names_are_translated_one_to_one():
    names = list(offsetguided_tensors(19))
    assert len({our_name(name) for name in names}) == len(names)


def test_the_prefix_of_data_parallel_training_is_ignored():
    shapes = {f"module.{name}": shape for name, shape in centernet_tensors().items()}
    assert set(translate(empty(shapes)).tensors) == set(translate(empty(centernet_tensors())).tensors)


@pytest.mark.parametrize(
    "name", ["kps.0.up3.0.conv1.weight", "pre.0.conv.extra.weight", "pre.1.skip.2.weight", "fc.bias"]
)
def test_a_name_of_neither_family_is_refused(name):
    state = empty({**offsetguided_tensors(19), f"basenet.{name}": [1]})
    with pytest.raises(InputError, match=r"no such tensor|does not exist"):
        require_fit(translate(state).tensors, translate(empty(offsetguided_tensors(19))).tensors)


def test_a_file_of_something_else_is_refused():
    with pytest.raises(InputError, match="no tensor of Hourglass-104"):
        translate({"layer1.weight": torch.zeros(1)})


def test_the_wrong_kind_is_refused():
    with pytest.raises(InputError, match="kind=centernet"):
        translate(empty(centernet_tensors()), "offsetguided")


def test_require_fit_names_what_is_wrong():
    good = {"a": torch.zeros(2), "b": torch.zeros(3)}
    require_fit(good, good)
    for bad, message in (
        ({"a": good["a"]}, "b: is missing"),
        ({**good, "c": good["a"]}, "c: does not exist"),
        ({"a": torch.zeros(4), "b": good["b"]}, r"a: has shape \(4,\)"),
        ({"a": torch.tensor([0.0, torch.nan]), "b": good["b"]}, "a: contains values that are not finite"),
    ):
        with pytest.raises(InputError, match=message):
            require_fit(bad, good)


@pytest.mark.skipif(not GOLDEN, reason="GOG_GOLDEN is not set")
@pytest.mark.parametrize(
    ("file", "ours"), [("offsetguided", offsetguided_tensors(19)), ("centernet_hg", centernet_tensors())]
)
def test_the_names_are_those_of_the_public_files(file, ours):
    recorded = json.loads((Path(GOLDEN).parent / f"{file}_keys.json").read_text())
    assert {name: shape for name, shape in recorded} == ours


@pytest.mark.skipif(not GOLDEN, reason="GOG_GOLDEN is not set")
def test_the_network_answers_as_the_authors_does():
    state = {name: drawn(name, shape) for name, shape in offsetguided_tensors(19).items()}
    network = hourglass_104("gog").eval()
    network.load_state_dict(translate(state).tensors)
    for size in ("128x128", "128x256"):
        recorded = np.load(Path(GOLDEN) / f"hourglass104_offsetguided_{size}.npz")
        x = torch.from_numpy(recorded["x"])
        with torch.inference_mode():
            features, stacks = network.trunk(x), network(x)
        for stack in range(2):
            for ours, theirs in (
                (features[stack], f"feature_{stack}"),
                (stacks[stack].heatmaps, f"heatmaps_{stack}"),
                (stacks[stack].offsets, f"offsets_{stack}"),
            ):
                np.testing.assert_allclose(ours.numpy(), recorded[theirs], atol=1e-3, rtol=0)


@pytest.mark.skipif(not GOLDEN, reason="GOG_GOLDEN is not set")
def test_the_network_answers_as_centernets_does():
    """CenterNet's vectors start at the corner of a cell, 3/8 of it before ours, in cells; its responses are logits."""
    state = {name: drawn(name, shape) for name, shape in centernet_tensors().items()}
    network = hourglass_104("centernet", offset_unit=4.0).eval()
    network.load_state_dict(translate(state).tensors)
    recorded = np.load(Path(GOLDEN) / "centernet_network_128x128.npz")
    with torch.inference_mode():
        stacks = network(torch.from_numpy(recorded["x"]))
    for stack, maps in enumerate(stacks):
        answers = {
            "hm": maps.centers.logit(),
            "hm_hp": maps.heatmaps.logit(),
            "wh": maps.sizes / 4,
            "hps": maps.offsets / 4 + 3 / 8,
            "reg": maps.center_refinements / 4 + 3 / 8,
            "hp_offset": maps.refinements / 4 + 3 / 8,
        }
        for name, answer in answers.items():
            np.testing.assert_allclose(answer.numpy(), recorded[f"{name}_{stack}"], rtol=0, atol=1e-3, err_msg=name)
