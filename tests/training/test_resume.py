"""A run that was killed or interrupted goes on as if nothing had happened, and never from half a file."""

import csv
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from small_runs import SMALL, small_scenes

from gog_pose.checkpoints.description import read_checkpoint
from gog_pose.cli import train
from gog_pose.training.callbacks import GradientNorm
from gog_pose.training.checkpoint_io import AtomicCheckpointIO

# Three epochs of three steps. Whatever has a state is on: shuffling, warps, colors, a moving rate, means of weights.
RUN = [
    "data=folder",
    *SMALL,
    "augmentation.color.0.p=0.9",
    "optim=adam_cosine",
    "trainer.deterministic=true",
    "trainer.max_epochs=3",
    "trainer.check_val_every_n_epoch=2",
    "trainer.num_sanity_val_steps=0",
    "trainer.log_every_n_steps=1",
    "callbacks=ema",
    "~callbacks.pictures",
]
MIDDLE = 4  # steps before the end: the first epoch and a step of the second
LAST_OF_VALIDATED_EPOCH = 5

# gog-train, killed when so many steps are done and the gradients of the next are there.
KILLED = """
import os, signal, sys
from gog_pose.training.callbacks import GradientNorm
from gog_pose.cli import train

steps = int(sys.argv.pop(1))

def kill(callback, trainer, module, optimizer):
    if trainer.global_step == steps:
        os.kill(os.getpid(), signal.SIGKILL)

GradientNorm.on_before_optimizer_step = kill
train.main()
"""

# gog-train, killed when half of its third checkpoint is written: the last one of the second epoch, after the best one.
KILLED_WHILE_SAVING = """
import io, itertools, os, signal
import torch
from gog_pose.cli import train

save, calls = torch.save, itertools.count(1)

def half(checkpoint, path):
    if next(calls) < 3:
        return save(checkpoint, path)
    whole = io.BytesIO()
    save(checkpoint, whole)
    path.write_bytes(whole.getvalue()[: whole.tell() // 2])
    os.kill(os.getpid(), signal.SIGKILL)

torch.save = half
train.main()
"""


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """The number of threads decides the order of sums; it is the same in all runs."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return small_scenes(tmp_path_factory.mktemp("scenes"), num_train=14, num_val=2)


@pytest.fixture(scope="module")
def gog_train(scenes, tmp_path_factory):
    """Run ``gog-train`` in this process; return its output folder and exit code."""

    def run(*overrides, output=None):
        output = output or tmp_path_factory.mktemp("run")
        code, handler = 0, signal.getsignal(signal.SIGINT)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                sys, "argv", ["gog-train", *RUN, f"data.root={scenes}", f"hydra.run.dir={output}", *overrides]
            )
            try:
                train.main()
            except SystemExit as stop:
                code = stop.code
            finally:
                signal.signal(signal.SIGINT, handler)
                torch.use_deterministic_algorithms(False)
        return output, code

    return run


@pytest.fixture(scope="module")
def gog_train_killed(scenes, tmp_path_factory):
    """Run a program that makes ``gog-train`` kill itself; return its output folder."""

    def run(program, *arguments):
        output = tmp_path_factory.mktemp("killed")
        command = [sys.executable, "-c", program, *map(str, arguments), *RUN, f"data.root={scenes}"]
        process = subprocess.run(
            [*command, f"hydra.run.dir={output}"],
            capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=300, check=False,
        )  # fmt: skip
        assert process.returncode == -signal.SIGKILL, process.stderr
        return output

    return run


@pytest.fixture(scope="module")
def whole(gog_train):
    """The output folder of a run that nothing disturbed."""
    output, code = gog_train()
    assert code == 0
    return output


@pytest.fixture(scope="module")
def killed(gog_train_killed):
    """The output folder of a run that was killed in the middle of an epoch."""
    return gog_train_killed(KILLED, MIDDLE)


def curves(output, version):
    """The loss and the learning rate of each step, by step."""
    steps = {}
    with (output / f"csv/version_{version}/metrics.csv").open() as file:
        for row in csv.DictReader(file):
            for name in ("train/loss", "train/offset_0", "lr-Adam"):
                if row[name]:
                    steps.setdefault(int(row["step"]), {})[name] = float(row[name])
    return steps


def validated(output):
    """The steps after which training was validated, in all parts of a run."""
    steps = set()
    for part in (output / "csv").glob("version_*/metrics.csv"):
        with part.open() as file:
            steps |= {int(row["step"]) for row in csv.DictReader(file) if row.get("val/AP")}
    return steps


def require_same_state(output, other):
    """Compare weights, means of weights, optimizer and schedule in the last checkpoints."""
    one, two = (torch.load(run / "checkpoints/last.ckpt") for run in (output, other))
    for entry in ("global_step", "state_dict", "current_model_state", "averaging_state", "optimizer_states"):
        torch.testing.assert_close(one[entry], two[entry])
    assert one["lr_schedulers"] == two["lr_schedulers"]


def goes_on_as_if_nothing_had_happened(gog_train, whole, output, checkpoint, missed, *overrides):
    """Resume a run; every step that it missed is that of the undisturbed run."""
    assert gog_train(f"resume={output}/checkpoints/{checkpoint}.ckpt", *overrides, output=output)[1] == 0
    undisturbed = curves(whole, version=0)
    assert sorted(undisturbed) == list(range(9))
    expected = {step: undisturbed[step] for step in range(missed, 9)}
    torch.testing.assert_close(curves(output, version=1), expected, rtol=1e-5, atol=0)
    require_same_state(output, whole)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_killed_run_repeats_the_steps_since_its_last_checkpoint(gog_train, killed, whole, tmp_path, workers):
    """Other loading processes than before change nothing: what is random does not depend on them."""
    output = Path(shutil.copytree(killed, tmp_path / "killed"))
    assert torch.load(output / "checkpoints/last.ckpt")["global_step"] == 3
    goes_on_as_if_nothing_had_happened(gog_train, whole, output, "last", 3, f"data.num_workers={workers}")


@pytest.mark.parametrize("steps", [MIDDLE, LAST_OF_VALIDATED_EPOCH])
def test_an_interrupted_run_misses_no_step_and_no_validation(gog_train, whole, monkeypatch, steps):
    def interrupt(callback, trainer, module, optimizer):
        if trainer.global_step == steps:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(GradientNorm, "on_before_optimizer_step", interrupt)
        output, code = gog_train()
    assert code == 130
    goes_on_as_if_nothing_had_happened(gog_train, whole, output, "interrupted", steps + 1)
    assert validated(output) == validated(whole) == {LAST_OF_VALIDATED_EPOCH, 9}  # that after training counts, too


def test_a_kill_during_a_save_leaves_the_checkpoint_before(gog_train_killed, whole):
    last = gog_train_killed(KILLED_WHILE_SAVING) / "checkpoints/last.ckpt"
    complete = (whole / "checkpoints/last.ckpt").stat().st_size
    assert 0.4 * complete < last.with_name("last.ckpt.part").stat().st_size < 0.6 * complete
    assert read_checkpoint(last)["global_step"] == 3


def test_a_save_that_fails_leaves_the_checkpoint_before(tmp_path):
    path = tmp_path / "new/last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"step": 1}, path)
    with pytest.raises(AttributeError):  # what cannot be pickled is noticed when much is written already
        AtomicCheckpointIO().save_checkpoint({"step": 2, "weights": torch.zeros(9999), "local": lambda: 0}, path)
    assert torch.load(path) == {"step": 1}
