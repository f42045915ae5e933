"""A killed or interrupted run resumes as if it had not ended, and never from a partial file."""

import csv
import json
import os
import pickle
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

def half(checkpoint, file):
    if next(calls) < 3:
        return save(checkpoint, file)
    whole = io.BytesIO()
    save(checkpoint, whole)
    file.write(whole.getvalue()[: whole.tell() // 2])
    file.flush()
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
        numbers = (signal.SIGINT, signal.SIGTERM)
        code, handlers = 0, [signal.getsignal(number) for number in numbers]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                sys, "argv", ["gog-train", *RUN, f"data.root={scenes}", f"hydra.run.dir={output}", *overrides]
            )
            try:
                train.main()
            except SystemExit as stop:
                code = stop.code
            finally:
                for number, handler in zip(numbers, handlers, strict=True):
                    signal.signal(number, handler)
                torch.use_deterministic_algorithms(False)
        return output, code

    return run


@pytest.fixture(scope="module")
def gog_train_killed(scenes, tmp_path_factory):
    """Run a program that makes ``gog-train`` kill itself; return its output folder."""

    def run(program, *arguments):
        output = tmp_path_factory.mktemp("killed")
        own, overrides = arguments[:1], arguments[1:]
        command = [sys.executable, "-c", program, *map(str, own), *RUN, *overrides, f"data.root={scenes}"]
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


@pytest.mark.parametrize(
    ("steps", "number"), [(MIDDLE, signal.SIGINT), (MIDDLE, signal.SIGTERM), (LAST_OF_VALIDATED_EPOCH, signal.SIGTERM)]
)
def test_an_interrupted_run_misses_no_step_and_no_validation(gog_train, whole, monkeypatch, steps, number):
    def interrupt(callback, trainer, module, optimizer):
        if trainer.global_step == steps:
            signal.raise_signal(number)

    with monkeypatch.context() as patch:
        patch.setattr(GradientNorm, "on_before_optimizer_step", interrupt)
        output, code = gog_train()
    assert code == 130
    goes_on_as_if_nothing_had_happened(gog_train, whole, output, "interrupted", steps + 1)
    assert validated(output) == validated(whole) == {LAST_OF_VALIDATED_EPOCH, 9}  # that after training counts, too


def test_a_kill_during_a_save_leaves_the_checkpoint_before(gog_train_killed, whole):
    last = gog_train_killed(KILLED_WHILE_SAVING) / "checkpoints/last.ckpt"
    complete = (whole / "checkpoints/last.ckpt").stat().st_size
    (part,) = last.parent.glob("last.ckpt.*.part")
    assert 0.4 * complete < part.stat().st_size < 0.6 * complete
    assert read_checkpoint(last)["global_step"] == 3


def test_a_save_that_fails_leaves_the_checkpoint_before(tmp_path):
    path = tmp_path / "new/last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"step": 1}, path)
    with pytest.raises((AttributeError, pickle.PicklingError)):  # noticed when much is written already
        AtomicCheckpointIO().save_checkpoint({"step": 2, "weights": torch.zeros(9999), "local": lambda: 0}, path)
    assert torch.load(path) == {"step": 1}


BEST = ["trainer.check_val_every_n_epoch=1", "callbacks.checkpoint_best.monitor=val/loss"]
WORSE_EACH_EPOCH = [*BEST, "callbacks.checkpoint_best.mode=max"]  # the loss falls: the first epoch is the best


def best_of(output):
    """Step and score of the best checkpoint, and what the results say."""
    content = torch.load(output / "checkpoints/best.ckpt")
    (state,) = (state for name, state in content["callbacks"].items() if "val/loss" in name)
    results = json.loads((output / "results.json").read_text())
    assert results.pop("checkpoint") == str(output / "checkpoints/best.ckpt")
    return content["global_step"], round(float(state["best_model_score"]), 2), results


@pytest.fixture(scope="module")
def best_first(gog_train):
    """An undisturbed run whose best epoch is the first."""
    output, code = gog_train(*WORSE_EACH_EPOCH)
    assert code == 0
    assert best_of(output)[0] == 3
    return output


@pytest.fixture(scope="module")
def ended_early(gog_train_killed):
    """The same, killed in its last epoch."""
    return gog_train_killed(KILLED, 7, *WORSE_EACH_EPOCH)


@pytest.mark.parametrize("place", ["same folder", "renamed", "elsewhere", "only the last"])
def test_the_best_checkpoint_survives_wherever_a_run_goes_on(gog_train, best_first, ended_early, tmp_path, place):
    old, new = tmp_path / "old", tmp_path / "new"
    shutil.copytree(ended_early, old)
    if place == "renamed":
        old = new = old.rename(new)
    elif place == "same folder":
        new = old
    elif place == "only the last":  # its folder is gone but for the last one; the best is found where it was recorded
        (old / "checkpoints/best.ckpt").unlink()
    assert gog_train(*WORSE_EACH_EPOCH, f"resume={old}/checkpoints/last.ckpt", output=new)[1] == 0
    assert best_of(new) == best_of(best_first)


def test_a_best_checkpoint_that_is_lost_is_reported(gog_train, ended_early, tmp_path, capfd):
    old = Path(shutil.copytree(ended_early, tmp_path / "old"))
    hidden = ended_early.rename(ended_early.with_name("hidden"))
    (old / "checkpoints/best.ckpt").unlink()
    try:
        output, code = gog_train(*WORSE_EACH_EPOCH, f"resume={old}/checkpoints/last.ckpt", output=tmp_path / "new")
    finally:
        hidden.rename(ended_early)
    assert code == 0
    assert best_of(output)[0] == 9
    assert "is neither beside" in "".join(capfd.readouterr())


def test_the_best_checkpoint_of_another_run_is_not_taken(gog_train, best_first, ended_early, tmp_path):
    """It lies in the folder where the run goes on, and scores higher."""
    new = Path(shutil.copytree(best_first, tmp_path / "new"))
    foreign = torch.load(new / "checkpoints/best.ckpt")
    for name, state in foreign["callbacks"].items():
        if "val/loss" in name:
            state["best_model_score"] += 1000
    torch.save(foreign, new / "checkpoints/best.ckpt")
    assert gog_train(*WORSE_EACH_EPOCH, f"resume={ended_early}/checkpoints/last.ckpt", output=new)[1] == 0
    assert best_of(new) == best_of(best_first)


def test_a_folder_in_use_is_refused_in_one_line(gog_train, tmp_path, capfd):
    program = "import sys; from pathlib import Path; from gog_pose.system.files import only_writer\n"
    program += "with only_writer(Path(sys.argv[1]), 'output'):\n    print('locked', flush=True); sys.stdin.read()"
    other = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout.readline() == "locked\n"
    assert gog_train(output=tmp_path)[1] == 2
    other.communicate("")
    errors = capfd.readouterr().err
    assert f"hydra.run.dir: {tmp_path} is in use by process {other.pid} on" in errors
    assert "Traceback" not in errors
