"""gog-export: the file has the poses of the network, contains its description, and needs no Lightning."""

import importlib.util
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from programs import run_program
from small_exports import SKELETON, command, photographs, small_checkpoint, small_network
from small_runs import small_scenes
from torch import nn

from gog_pose.checkpoints.description import KEY
from gog_pose.cli import evaluate, predict
from gog_pose.decoding import GogDecoder
from gog_pose.errors import InputError
from gog_pose.estimator import PoseEstimator
from gog_pose.export import Deployable
from gog_pose.imaging.preprocessing import Preprocessing
from gog_pose.methods.centernet.decoder import CenterDecoder
from gog_pose.methods.gog.official import OfficialDecoder
from gog_pose.networks.folding import fold_norms

OUTPUTS = ["xy", "responses", "first", "cells", "vectors", "size"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return small_checkpoint(tmp_path_factory.mktemp("checkpoint") / "small.ckpt")


def export(*overrides, cwd):
    command = [sys.executable, "-m", "gog_pose.cli.export", *overrides, "hydra.run.dir=run"]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def exported(checkpoint, tmp_path_factory):
    """An ONNX file of the command, which looks at mirror images, too."""
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package)
    folder = tmp_path_factory.mktemp("export")
    process = export(f"checkpoint={checkpoint}", "output=small.onnx", "flip=true", cwd=folder)
    assert process.returncode == 0, process.stderr
    assert "0 unmatched within" in process.stdout
    assert "sides multiples of 8 px; outputs: xy, responses, first, cells, vectors, size" in process.stdout
    assert not list(folder.glob("*.part*"))
    return folder / "small.onnx"


def test_poses_are_those_of_the_network_for_any_size_and_batch(checkpoint, exported):
    images = list(photographs())
    expected = PoseEstimator.from_checkpoint(checkpoint, flip=True)
    estimator = PoseEstimator.from_onnx(exported, batch_size=4)
    assert estimator.skeleton == SKELETON
    assert sum(len(poses) for poses in expected.predict(images)) > 50
    for theirs, ours in zip(expected.predict(images), estimator.predict(images), strict=True):
        assert len(ours) == len(theirs)
        np.testing.assert_allclose(ours.keypoints[..., :2], theirs.keypoints[..., :2], atol=0.01)
        np.testing.assert_allclose(ours.keypoints[..., 2], theirs.keypoints[..., 2], rtol=1e-4)
        np.testing.assert_array_equal(ours.inferred, theirs.inferred)
    larger = {"long_side": 128, "decoder": {"min_keypoints": 3}}
    theirs = PoseEstimator.from_checkpoint(checkpoint, flip=True, **larger).predict(images[0])
    ours = PoseEstimator.from_onnx(exported, **larger).predict(images[0])
    np.testing.assert_allclose(ours.keypoints[..., :2], theirs.keypoints[..., :2], atol=0.01)


def test_a_file_needs_neither_lightning_nor_the_networks_code(exported):
    program = (
        "import sys, numpy\n"
        "from gog_pose import PoseEstimator\n"
        f"poses = PoseEstimator.from_onnx({str(exported)!r}).predict(numpy.zeros((50, 40, 3), numpy.uint8))\n"
        "assert not [name for name in sys.modules if name.startswith(('pytorch_lightning', 'hydra', 'onnxscript'))]\n"
    )
    run_program(program)


def test_what_the_file_says_about_itself_is_plain_json(checkpoint, exported):
    onnx = pytest.importorskip("onnx")
    model = onnx.load(exported)
    onnx.checker.check_model(model)
    described = json.loads({entry.key: entry.value for entry in model.metadata_props}[KEY])
    assert described["skeleton"]["name"] == "coco_19"
    assert described["decoder"]["topk"] == 8
    assert described["preprocessing"]["channel_order"] == "bgr"
    assert (described["flip"], described["max_stride"]) == (True, 8)
    assert str(checkpoint.parent) not in str(model.metadata_props)
    assert [output.name for output in model.graph.output] == OUTPUTS


def test_what_is_in_the_file_cannot_be_changed_when_it_is_used(exported):
    with pytest.raises(InputError, match=r"decoder\.threshold: is fixed in an exported file; set it in gog-export"):
        PoseEstimator.from_onnx(exported, decoder={"threshold": 0.2})
    with pytest.raises(InputError, match=r"decoder\.nonsense: is not an option of GogDecoder"):
        PoseEstimator.from_onnx(exported, decoder={"nonsense": 1})
    with pytest.raises(InputError, match="device: the installed onnxruntime does not support 'tpu'"):
        PoseEstimator.from_onnx(exported, "tpu")


def test_the_commands_find_in_a_file_whom_they_find_by_the_checkpoint(checkpoint, exported, tmp_path, monkeypatch):
    scenes = small_scenes(tmp_path / "scenes", num_train=1, num_val=4)
    overrides = [f"data.root={scenes}", "data=folder", "batch_size=2"]
    found, settings = {}, {}
    for kind, file in (("checkpoint", f"{checkpoint} flip=true"), ("file", exported)):
        run = tmp_path / kind
        ours = [*f"checkpoint={file}".split(), f"hydra.run.dir={run}"]
        assert command(monkeypatch, evaluate.main, *ours, *overrides) == 0
        found[kind] = json.loads((run / "detections.json").read_text())
        settings[kind] = json.loads((run / "results.json").read_text())["settings"]
        assert command(monkeypatch, predict.main, *ours, f"source={scenes}/val", f"output={run}/poses") == 0
        found[f"{kind}, predicted"] = json.loads((run / "poses/predictions.json").read_text())
    assert settings["file"]["flip"] is settings["checkpoint"]["flip"] is True
    assert settings["file"]["decoder"] == settings["checkpoint"]["decoder"]
    for kind in ("", ", predicted"):
        theirs, ours = found[f"checkpoint{kind}"], found[f"file{kind}"]
        assert len(theirs) > 4
        assert [person["image_id"] for person in ours] == [person["image_id"] for person in theirs]
        both = (np.array([person["keypoints"] for person in people]) for people in (ours, theirs))
        np.testing.assert_allclose(*both, atol=0.02)  # rounded to 0.01


@pytest.mark.parametrize(
    ("main", "override", "words"),
    [
        (evaluate.main, "precision=bf16", "precision: is fixed in an exported file"),
        (evaluate.main, "input.scales=[1,2]", "input.scales: is fixed"),
        (evaluate.main, "input.multiple=64", "input.multiple: is fixed"),
        (evaluate.main, "decoder.topk=3", "decoder.topk: is fixed"),
        (predict.main, "views=[heatmaps]", "views: an exported file does not output its maps"),
    ],
)
def test_the_commands_refuse_what_is_fixed_in_a_file(exported, tmp_path, monkeypatch, capfd, main, override, words):
    scenes = small_scenes(tmp_path / "scenes", num_train=1, num_val=1)
    where = {evaluate.main: ["data=folder", f"data.root={scenes}"], predict.main: [f"source={scenes}/val"]}[main]
    run = [f"checkpoint={exported}", f"hydra.run.dir={tmp_path}/run", *where]
    assert command(monkeypatch, main, *run, override) == 2
    assert words in capfd.readouterr().err.splitlines()[-1]


def test_files_of_others_are_told_in_one_line(exported, tmp_path):
    onnx = pytest.importorskip("onnx")
    (tmp_path / "garbage.onnx").write_bytes(b"\x00garbage" * 100)
    (tmp_path / "empty.onnx").write_bytes(b"")
    (tmp_path / "cut.onnx").write_bytes(exported.read_bytes()[:-1000])
    for name, value in (
        ("mute", None),
        ("future", '{"format": 99}'),
        ("wrong", '{"format": 3}'),
        ("odd", "[1]"),
        ("old", '{"format": 1}'),
    ):
        model = onnx.load(exported)
        del model.metadata_props[:]
        if value is not None:
            onnx.helper.set_model_props(model, {KEY: value})
        onnx.save(model, tmp_path / f"{name}.onnx")
    for name, words in (
        ("absent", "no such file"),
        ("garbage", "is not a file written by gog-export"),
        ("empty", "is not a file written by gog-export"),
        ("cut", "is not a file written by gog-export"),
        ("mute", "is not a file written by gog-export"),
        ("future", "format: is 99, but this version reads 3; export the network again"),
        ("old", "format: is 1, but this version reads 3; export the network again"),
        ("wrong", "is not a file written by gog-export"),
        ("odd", "is not a file written by gog-export"),
    ):
        with pytest.raises(InputError, match=words) as error:
            PoseEstimator.from_onnx(tmp_path / f"{name}.onnx")
        assert f"{name}.onnx" in str(error.value)
        assert "\n" not in str(error.value)


@pytest.mark.slow  # tracing alone takes ten seconds
def test_the_torch_file_gives_the_same_candidates(checkpoint, tmp_path):
    process = export(f"checkpoint={checkpoint}", "output=small.pt2", "format=torch", cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    extra = {"gog_pose.json": ""}
    module = torch.export.load(tmp_path / "small.pt2", extra_files=extra).module()
    assert json.loads(extra["gog_pose.json"])["max_stride"] == 8
    estimator = PoseEstimator.from_checkpoint(checkpoint)
    deployable = Deployable(estimator.network, estimator.decoder, estimator.preprocessing)
    images = torch.from_numpy(np.stack([image[:96, :80] for image in photographs()]))
    windows = deployable.export.host.record(*module(images))
    difference = deployable.export.compare(estimator.decoder, deployable.maps(images), windows)
    assert difference.total > 100
    assert difference.unmatched == 0


def test_pixels_are_normalized_as_preprocessing_does(checkpoint):
    estimator = PoseEstimator.from_checkpoint(checkpoint)
    deployable = Deployable(estimator.network, estimator.decoder, estimator.preprocessing)
    image = next(photographs())[:96, :80]
    expected = estimator.network(estimator.preprocessing.to_tensor(image)[None])[-1]
    for theirs, ours in zip(expected[:2], deployable.maps(torch.from_numpy(image)[None])[:2], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-2)  # of responses of 10, offsets of 100 px


def test_folding_keeps_the_maps_and_leaves_no_normalization():
    network = small_network()
    images = torch.rand(2, 3, 64, 48)
    with torch.no_grad():
        before = network(images)
        after = fold_norms(network)(images)
    assert not [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for stack_before, stack_after in zip(before, after, strict=True):
        torch.testing.assert_close(stack_after.heatmaps, stack_before.heatmaps, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(stack_after.offsets, stack_before.offsets, rtol=1e-4, atol=1e-3)


def test_exporting_leaves_the_network_as_it_is():
    network = small_network()
    names = list(network.state_dict())
    Deployable(network, GogDecoder(SKELETON), Preprocessing())
    assert list(network.state_dict()) == names


def test_other_decoders_are_refused():
    with pytest.raises(InputError, match=r"decoder\.rules: only rules=gog can be exported"):
        Deployable(small_network(), OfficialDecoder(SKELETON), Preprocessing())


def test_a_method_without_an_export_is_refused():
    with pytest.raises(InputError, match="method centernet cannot be exported; use the checkpoint itself"):
        Deployable(small_network("centernet"), CenterDecoder(SKELETON), Preprocessing())


def test_missing_packages_are_named_with_the_remedy(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"export: needs onnxruntime; .*pip install 'gog-pose\[export\]'"):
        PoseEstimator.from_onnx("any.onnx")


def test_mistakes_are_told_in_one_line_with_code_2(checkpoint, tmp_path):
    for overrides, words in (
        (("output=a.onnx",), "checkpoint: is not set"),
        ((f"checkpoint={checkpoint}", "output=a.onnx", "format=tflite"), "format: 'tflite' is unknown"),
        ((f"checkpoint={checkpoint}", "output=absent/a.onnx"), "output: absent/a.onnx cannot be written"),
    ):
        process = export(*overrides, cwd=tmp_path)
        assert process.returncode == 2
        assert words in process.stderr.splitlines()[-1]
        assert "Traceback" not in process.stderr
    assert not (tmp_path / "a.onnx").exists()
