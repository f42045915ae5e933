"""gog-export precision=float16 and int8: the trunk has reduced precision, and the file still finds the people."""

import ast
import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from programs import run_program
from small_exports import command, photographs, small_checkpoint, with_peaks

from gog_pose.cli import export
from gog_pose.errors import InputError
from gog_pose.estimator import PoseEstimator
from gog_pose.export import Deployable, check
from gog_pose.export.quantization import MOST_IMAGES, Quantized, find_photographs, quantize
from gog_pose.runtime import PoseRuntime

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return small_checkpoint(tmp_path_factory.mktemp("checkpoint") / "small.ckpt")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Photographs as files."""
    folder = tmp_path_factory.mktemp("photographs")
    for number, image in enumerate(photographs()):
        Image.fromarray(image).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module", params=["float16", "int8"])
def exported(request, checkpoint, folder, tmp_path_factory):
    """A file of the command."""
    path = tmp_path_factory.mktemp("export") / f"{request.param}.onnx"
    options = [f"calibration='{folder}/*.png'"] if request.param == "int8" else []
    run = [f"hydra.run.dir={path.parent}/run", f"output={path}", f"checkpoint={checkpoint}"]
    with pytest.MonkeyPatch.context() as patch:
        assert command(patch, export.main, *run, f"precision={request.param}", *options) == 0
    assert not list(path.parent.glob("*.part*"))
    return path


def scopes(node):
    """Return the modules that a node of the graph comes from."""
    found = [entry.value for entry in node.metadata_props if entry.key.endswith("name_scopes")]
    return ast.literal_eval(found[0]) if found else []


def test_the_weights_of_the_trunk_have_the_precision_and_all_else_is_float32(exported):
    model = onnx.load(exported)
    onnx.checker.check_model(model)
    described = json.loads({entry.key: entry.value for entry in model.metadata_props}["gog_pose"])
    assert described["precision"] == exported.stem
    kinds = {tensor.name: onnx.TensorProto.DataType.Name(tensor.data_type) for tensor in model.graph.initializer}
    names = [name for name in kinds if "weight" in name and not name.endswith(("scale", "zero_point"))]
    trunk = {kinds[name] for name in names if name.startswith("network.trunk")}
    assert trunk == {exported.stem.upper()}
    assert {kinds[name] for name in names if name.startswith("network.heads")} == {"FLOAT"}

    reduced = {"FLOAT16", "INT8", "UINT8"}
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    kinds |= {
        tensor.name: onnx.TensorProto.DataType.Name(tensor.type.tensor_type.elem_type)
        for tensor in [*inferred.value_info, *inferred.output]
    }
    search = [node for node in model.graph.node if "search" in scopes(node)]
    assert len(search) > 50
    assert not [name for node in search for name in [*node.input, *node.output] if kinds.get(name) in reduced]
    assert not [node for node in search if "Quantize" in node.op_type]


def test_the_poses_are_close_to_those_of_the_network(checkpoint, exported):
    images = list(photographs())
    expected = PoseEstimator.from_checkpoint(checkpoint).predict(images)
    limit, share = {"float16": (0.5, 0.95), "int8": (4.0, 0.7)}[exported.stem]
    assert sum(map(len, expected)) > 30
    poses = PoseEstimator.from_onnx(exported).predict(images)
    near = []
    for theirs, ours in zip(expected, poses, strict=True):
        gaps = np.linalg.norm(theirs.keypoints[:, None, :, :2] - ours.keypoints[None, :, :, :2], axis=-1)
        near += list((gaps.min(axis=1) <= limit)[(theirs.keypoints[..., 2] > 0) & ~theirs.inferred])
    assert np.mean(near) >= share
    for ours, theirs in zip(PoseRuntime(exported).predict(images), poses, strict=True):
        np.testing.assert_array_equal(ours.keypoints, theirs.keypoints)


def test_the_runtime_does_not_load_pytorch_for_it(exported):
    program = (
        "import sys, numpy\n"
        "from gog_pose.runtime import PoseRuntime\n"
        f"PoseRuntime({str(exported)!r}).predict(numpy.zeros((50, 40, 3), numpy.uint8))\n"
        "assert not {'torch', 'onnx', 'hydra'} & sys.modules.keys()\n"
    )
    run_program(program)


def test_a_file_that_misses_most_candidates_is_refused(checkpoint, exported, tmp_path, monkeypatch):
    estimator = PoseEstimator.from_checkpoint(checkpoint)
    torch.manual_seed(1)
    with_peaks(estimator.network)  # other heads than those of the file
    deployable = Deployable(estimator.network, estimator.decoder, estimator.preprocessing)
    monkeypatch.setattr(check, "write_onnx", lambda deployable, path, precision: shutil.copy(exported, path))
    with pytest.raises(InputError, match=r"in float16 the file misses \d+ of \d+ candidates; .*precision=float32"):
        check.write_checked(deployable, tmp_path / "a.onnx", "onnx", precision="float16")
    assert not list(tmp_path.iterdir())


def trunk_file(path):
    """Write a graph of a trunk: a depthwise and a pointwise convolution, then a pyramid that adds two convolutions."""
    random = np.random.default_rng(0)
    helper = onnx.helper
    nodes, weights = [], []

    def add(kind, inputs, output, part, **attributes):
        nodes.append(helper.make_node(kind, inputs, [output], f"node_{output}", **attributes))
        scopes = ["", "network", "network.trunk", f"network.trunk.{part}", output]
        nodes[-1].metadata_props.add(key="pkg.torch.onnx.name_scopes", value=str(scopes))

    def convolve(source, output, part, shape, **attributes):
        weights.append(onnx.numpy_helper.from_array(random.normal(size=shape).astype(np.float32), f"weight_{output}"))
        add("Conv", [source, f"weight_{output}"], output, part, **attributes)

    convolve("images", "depthwise", "blocks.0", (4, 1, 3, 3), group=4, pads=[1, 1, 1, 1])
    add("Relu", ["depthwise"], "active", "blocks.0")
    convolve("active", "pointwise", "blocks.0", (8, 4, 1, 1))
    add("Add", ["pointwise", "pointwise"], "double", "blocks.0")
    convolve("double", "lateral", "laterals.0", (8, 8, 1, 1))
    add("Add", ["double", "lateral"], "sum", "top")
    convolve("sum", "last", "top", (8, 8, 1, 1))
    shapes = {"images": [1, 4, "h", "w"], "last": [1, 8, "h", "w"]}
    ends = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    graph = helper.make_graph(nodes, "trunk", ends[:1], ends[1:], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)


def test_parts_that_a_trunk_names_stay_float32_with_the_sums_that_need_them(tmp_path):
    trunk_file(tmp_path / "trunk.onnx")
    images = [np.random.default_rng(seed).normal(size=(1, 4, 8, 8)).astype(np.float32) for seed in range(3)]
    counts = quantize(tmp_path / "trunk.onnx", tmp_path / "int8.onnx", iter(images), ["laterals"])
    assert counts == Quantized(converted=3, total=4)
    model = onnx.load(tmp_path / "int8.onnx")
    arrays = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    assert arrays["weight_lateral"].dtype == np.float32
    largest = {
        name: np.abs(arrays[f"weight_{name}_quantized"].astype(int)).max() for name in ("depthwise", "pointwise")
    }
    assert 120 < largest["depthwise"] <= 128
    assert 60 < largest["pointwise"] <= 64
    produced = {name: node for node in model.graph.node for name in node.output}
    of_sum = next(node for node in model.graph.node if node.output[0] in ("sum", "sum_QuantizeLinear_Input"))
    assert produced[of_sum.input[1]].op_type == "Conv"
    runs = [
        onnxruntime.InferenceSession(tmp_path / f"{name}.onnx").run(None, {"images": images[0]})[0]
        for name in ("trunk", "int8")
    ]
    np.testing.assert_allclose(*runs, atol=0.05 * np.abs(runs[0]).max())


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["precision=int4"], "precision: 'int4' is unknown; choose float32, float16, int8"),
        (["precision=int8"], "calibration: is not set; give photographs"),
        (["calibration=photos"], "calibration: is used by precision=int8 only"),
        (["precision=float16", "calibration=photos"], "calibration: is used by precision=int8 only"),
        (["precision=float16", "format=torch"], "precision: float16 needs format=onnx, got format=torch"),
        (["precision=int8", "format=weights"], "precision: int8 needs format=onnx, got format=weights"),
        (["precision=int8", "calibration=absent"], "calibration: absent: there is no such file or folder"),
        (
            ["precision=int8", "calibration=[absent/*.jpg]"],
            "calibration: absent/*.jpg: there is no such file or folder",
        ),
    ],
)
def test_wrong_options_are_reported_in_one_line(checkpoint, tmp_path, monkeypatch, capfd, overrides, words):
    monkeypatch.chdir(tmp_path)
    run = [f"hydra.run.dir={tmp_path}/run", f"output={tmp_path}/a.onnx", f"checkpoint={checkpoint}"]
    assert command(monkeypatch, export.main, *run, *overrides) == 2
    assert words in capfd.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "a.onnx").exists()


def test_the_images_of_a_calibration_are_those_of_all_sources_up_to_a_limit(folder, tmp_path):
    images = sorted(folder.glob("*.png"))
    assert find_photographs(str(folder), tmp_path / "a.onnx") == images
    assert find_photographs([str(images[0]), f"{folder}/[12].png"], tmp_path / "a.onnx") == images[:3]
    many = tmp_path / "many"
    many.mkdir()
    for number in range(MOST_IMAGES + 50):
        (many / f"{number:03}.png").symlink_to(images[0])
    found = find_photographs(str(many), tmp_path / "a.onnx")
    assert len(found) == len(set(found)) == MOST_IMAGES
    assert found[-1].name == f"{MOST_IMAGES + 49}.png"


def test_a_folder_without_images_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(InputError, match=r"calibration: .*it holds no image or video, but 1 file"):
        find_photographs(str(tmp_path), tmp_path / "a.onnx")
    (tmp_path / "film.mp4").touch()
    with pytest.raises(InputError, match=r"calibration: .*: has no image; give photographs"):
        find_photographs(str(tmp_path), tmp_path / "a.onnx")
    with pytest.raises(InputError, match="calibration: the list is empty"):
        find_photographs([], tmp_path / "a.onnx")
