"""The stages of a prediction add up, and every way of running the network is measured."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from gog_pose.benchmarks import SpeedBenchmark
from gog_pose.benchmarks.speed import STAGES
from gog_pose.decoding import GogDecoder
from gog_pose.encoding import PoseEncoder
from gog_pose.errors import InputError
from gog_pose.evaluation import MapNoise
from gog_pose.imaging.preprocessing import Preprocessing
from gog_pose.methods import load_method
from gog_pose.methods.gog.heads import GogHeads
from gog_pose.networks.trunks.hourglass import Hourglass
from gog_pose.skeleton import load_skeleton

SKELETON = load_skeleton("coco_19")


def make(**changes):
    trunk = {"stacks": 1, "channels": (8, 12), "blocks": (1, 1), "stem_channels": 4}
    parts = {
        "skeleton": SKELETON,
        "trunk": lambda: Hourglass(**trunk),
        "heads": GogHeads,
        "decoder": GogDecoder(SKELETON),
        "preprocessing": Preprocessing(),
        "checkpoint": None,
        "encoder": PoseEncoder(SKELETON),
        "noise": MapNoise(),
        "people": 3,
        "images": None,
        "long_side": 96,
        "variants": {"plain": {}, "fold": {"fold": True}},
        "batches": [1, 2],
        "flips": [False, True],
        "device": "cpu",
        "threads": 1,
        "repeats": 2,
        "seed": 0,
    }
    return SpeedBenchmark(**{**parts, **changes})


def test_a_row_for_every_batch_flip_and_variant_whose_stages_add_up():
    variants = {"plain": {}, "layout": {"channels_last": True}, "half": {"fold": True, "precision": "bf16"}}
    benchmark = make(variants=variants, repeats=1)
    record = benchmark.run()
    cases = [(row["batch"], row["flip"], row["variant"]) for row in record["rows"]]
    assert cases == [(batch, flip, name) for batch in (1, 2) for flip in (False, True) for name in variants]
    for row in record["rows"]:
        total = row["times"]["total"]["median"]
        assert sum(row["times"][stage]["median"] for stage in STAGES) == pytest.approx(total)  # of one measurement
        assert sum(row["share"].values()) == pytest.approx(1)
        assert row["images_per_second"] == pytest.approx(1e3 / total)
        plain = next(
            other for other in record["rows"] if (other["batch"], other["flip"]) == (row["batch"], row["flip"])
        )
        assert row["ratio"] == row["images_per_second"] / plain["images_per_second"]
    assert record["input"] == [72, 96]
    assert record["people"] >= 3  # the maps of three drawn people are decoded, not those of random weights
    assert benchmark.tables(record)[0].row_count == len(cases)


def test_mirror_images_are_looked_at_where_that_is_asked_for():
    seen = []

    class Counting(Hourglass):
        def forward(self, x):
            seen.append(len(x))
            return super().forward(x)

    trunk = Counting(stacks=1, channels=(8, 12), blocks=(1, 1), stem_channels=4)
    parts = {"trunk": lambda: trunk, "variants": {"plain": {}}, "repeats": 1}
    for flip, expected in ((False, [3, 3, 1]), (True, [3, 3, 3, 3, 1])):  # once to warm up, once to count products
        seen.clear()
        make(**parts, batches=[3], flips=[flip]).run()
        assert seen == expected


def test_photographs_of_the_most_common_shape_are_used(tmp_path):
    for number, size in enumerate(((80, 60), (60, 80), (160, 120))):  # width and height
        Image.fromarray(np.zeros((*size[::-1], 3), np.uint8)).save(tmp_path / f"{number}.jpg")
    benchmark = make(images=str(tmp_path), batches=[1], flips=[False], repeats=1)
    assert [path.stem for path in benchmark._paths(tmp_path)] == ["0", "2"]
    assert benchmark.run()["input"] == [72, 96]


def test_the_command_prints_and_writes_a_table(tmp_path):
    command = [sys.executable, "-m", "gog_pose.cli.benchmark", "what=speed", "model=hourglass_tiny", "long_side=64"]
    command += ["batches=[1]", "flips=[false]", "repeats=1", "~variants.onnx", "results=speed.json"]
    process = subprocess.run([*command, "hydra.run.dir=run"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    record = json.loads((tmp_path / "speed.json").read_text())
    assert [row["variant"] for row in record["rows"]] == ["plain", "fold", "channels_last", "both", "both_bf16"]
    assert record["decoded"] == "maps of 5 random people"
    for words in ("images/s", "both_bf16", record["decoded"]):
        assert words in process.stdout


@pytest.mark.slow  # exports a network
def test_the_exported_runtime_is_a_variant_too():
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    record = make(variants={"onnx": {"onnx": True}}, batches=[2], flips=[False], repeats=1).run()
    assert record["people"] >= 3
    assert min(record["rows"][0]["times"][stage]["median"] for stage in STAGES) > 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batches", []),
        ("batches", [0]),
        ("flips", []),
        ("people", -1),
        ("threads", 0),
        ("repeats", 0),
        ("device", "tpu"),
        ("images", "/nowhere"),
        ("variants", {}),
        ("variants", {"fast": {"fp8": True}}),
        ("variants", {"fast": {"precision": "8"}}),
        ("variants", {"fast": {"onnx": True, "fold": True}}),
        ("long_side", 0),
    ],
)
def test_senseless_settings_are_refused(name, value):
    with pytest.raises(InputError, match=f"^{name}"):
        make(**{name: value})


def center_parts():
    """The parts of a method without an export."""
    method = load_method("centernet")
    return {
        "encoder": method.encoder(SKELETON),
        "heads": method.heads,
        "decoder": method.decoder(SKELETON),
        "noise": MapNoise(spurious=1.0),
    }


def test_any_method_is_measured():
    record = make(**center_parts(), batches=[2], flips=[True], repeats=1).run()
    assert record["people"] >= 3


def test_a_method_without_an_export_has_no_such_variant():
    with pytest.raises(InputError, match="variants: method centernet cannot be exported"):
        make(**center_parts(), variants={"onnx": {"onnx": True}})


def test_the_strides_of_trunk_and_encoder_must_fit():
    with pytest.raises(InputError, match=r"model\.stride: 2 differs from the trunk's stride 4"):
        make(encoder=PoseEncoder(SKELETON, stride=2))


def test_on_a_cpu_little_is_measured_unless_asked_for():
    benchmark = make(batches=None, repeats=None)
    assert (benchmark.batches, benchmark.repeats) == ((1,), 3)
