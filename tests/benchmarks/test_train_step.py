"""Time and memory of a training step add up; recomputing lowers the peak."""

import json
import os
import signal
import subprocess
import sys

import pytest
import torch

from gog_pose.benchmarks import TrainBenchmark, train
from gog_pose.benchmarks.memory import freed_at_once, in_own_process, peak_memory
from gog_pose.encoding import PoseEncoder
from gog_pose.errors import InputError
from gog_pose.methods import load_method
from gog_pose.methods.gog.heads import GogHeads
from gog_pose.methods.gog.loss import GogLoss
from gog_pose.networks.network import PoseNetwork
from gog_pose.networks.trunks.hourglass import Hourglass
from gog_pose.skeleton import load_skeleton

SKELETON = load_skeleton("coco_19")
CPU = torch.device("cpu")
MB = 1e6


def make(**changes):
    trunk = {"stacks": 1, "channels": (8, 12, 16), "blocks": (1, 1, 1), "stem_channels": 4}
    parts = {
        "skeleton": SKELETON,
        "trunk": lambda: Hourglass(**trunk),
        "heads": GogHeads,
        "loss": GogLoss(),
        "encoder": PoseEncoder(SKELETON),
        "optimizer": torch.optim.Adam,
        "variants": {"plain": {}},
        "batches": [1],
        "size": 64,
        "forward_size": 32,
        "people": 2,
        "device": "cpu",
        "threads": 1,
        "repeats": 1,
        "seed": 0,
    }
    return TrainBenchmark(**{**parts, **changes})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return what the command prints and writes, plain against recomputing."""
    folder = tmp_path_factory.mktemp("train")
    command = [
        *(
            sys.executable,
            "-m",
            "gog_pose.cli.benchmark",
            "what=train",
            "model=hourglass_tiny",
            "batches=[2]",
            "size=512",
        ),
        *("forward_size=128", "repeats=1", "results=train.json", "hydra.run.dir=run"),
        *("~variants.channels_last", "~variants.bf16", "~variants.channels_last_bf16", "~variants.fused"),
    ]
    process = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    return process.stdout, json.loads((folder / "train.json").read_text())


def test_a_row_for_every_batch_and_variant_and_one_for_the_network_alone(run):
    printed, record = run
    assert record["what"] == "train"
    assert record["settings"]["choices"]["model"] == "hourglass_tiny"
    assert [(row["batch"], row["variant"]) for row in record["steps"]] == [(2, "plain"), (2, "recompute")]
    assert [row["variant"] for row in record["forward"]] == ["plain"]  # recomputing changes nothing there
    for title in ("Time of a training step, 512x512", "Memory of a training step, 512x512", "Forward alone"):
        assert title in printed
    assert "recompute" in printed


def test_the_parts_add_up_and_ratios_are_to_the_first_variant(run):
    plain, recompute = run[1]["steps"]
    assert set(plain["ratios"].values()) == {1.0}
    for row in (plain, recompute):
        times = {part: time["median"] for part, time in row["times"].items()}
        assert sum(times[part] for part in ("forward", "loss", "backward", "optimizer")) == pytest.approx(
            times["step"],
            abs=1e-5,  # rounded in the file
        )
        memory = row["memory"]
        parts = ("before", "parameters", "gradients", "optimizer", "activations")
        assert sum(memory[kind] for kind in parts) == pytest.approx(memory["peak"])
        for kind in ("peak", "activations", "kept"):
            assert row["ratios"][kind] == pytest.approx(memory[kind] / plain["memory"][kind], rel=1e-3)
    assert recompute["ratios"]["step"] == pytest.approx(
        recompute["times"]["step"]["median"] / plain["times"]["step"]["median"], rel=1e-3
    )


def test_weights_gradients_and_adam_take_what_their_numbers_say(run):
    trunk = Hourglass(stacks=1, channels=(32, 64, 96, 128, 160), blocks=(1, 1, 1, 1, 1), stem_channels=16)
    parameters = list(PoseNetwork(SKELETON, trunk, GogHeads).parameters())
    expected = 4 * sum(parameter.numel() for parameter in parameters) / MB
    for row in run[1]["steps"]:
        assert row["memory"]["parameters"] == row["memory"]["gradients"] == pytest.approx(expected)
        assert row["memory"]["optimizer"] == pytest.approx(2 * expected + 4 * len(parameters) / MB)  # and step counts


def test_recomputing_takes_what_is_no_longer_kept_off_the_peak(run):
    plain, recompute = (row["memory"] for row in run[1]["steps"])
    assert plain["activations"] > plain["kept"]
    assert recompute["activations"] > recompute["kept"]
    saved = plain["kept"] - recompute["kept"]
    assert saved > 0.6 * plain["kept"]
    assert plain["activations"] - recompute["activations"] > 0.5 * saved  # part of it comes back, block by block


def test_any_method_is_measured(monkeypatch):
    monkeypatch.setattr(train, "in_own_process", lambda function, case: function(case))
    method = load_method("centernet")
    parts = {"encoder": method.encoder(SKELETON), "heads": method.heads, "loss": method.loss()}
    record = make(**parts).run()
    assert record["steps"][0]["times"]["loss"]["median"] > 0


def allocate(megabytes):
    """Return by how much the peak rises when memory is taken and given back."""
    before = peak_memory(CPU)
    with freed_at_once(CPU):
        for _ in range(3):
            torch.zeros(megabytes * 1_000_000, dtype=torch.uint8).add_(1)
    return (peak_memory(CPU) - before) / MB


def die(_):
    os.kill(os.getpid(), signal.SIGKILL)


def test_the_peak_is_that_of_one_job_and_forgotten_with_its_process():
    assert in_own_process(allocate, 300) == pytest.approx(300, rel=0.05)
    assert in_own_process(allocate, 100) == pytest.approx(100, rel=0.1)


def test_a_job_that_is_killed_is_told_in_one_line():
    with pytest.raises(InputError, match="memory ran out"):
        in_own_process(die, None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batches", []),
        ("batches", [0]),
        ("size", 72),
        ("size", 16),
        ("forward_size", 8),
        ("people", -1),
        ("threads", 0),
        ("repeats", 0),
        ("device", "tpu"),
        ("variants", {}),
        ("variants", {"fast": {"fp8": True}}),
    ],
)
def test_senseless_settings_are_refused(name, value):
    with pytest.raises(InputError, match=f"^{name}"):
        make(**{name: value})
