"""Twenty kills: a training that is killed at any time ends with the curve and best checkpoint of an undisturbed one.

Runs are forked from a process that has imported everything, so that each takes a second.
"""

import csv
import io
import itertools
import json
import os
import random
import signal
import socket
import sys
import time
from pathlib import Path

import pytest
import torch
from small_runs import SMALL, small_scenes

from gog_pose.cli import train
from gog_pose.training.callbacks import CocoMap

RUN = [
    "data=folder",
    *SMALL,
    "optim=adam_cosine",
    "trainer.deterministic=true",
    "trainer.max_epochs=4",
    "trainer.num_sanity_val_steps=0",
    "trainer.log_every_n_steps=1",
    "+logger.csv.flush_logs_every_n_steps=1",
    "callbacks.pictures.num_images=1",
    # The loss falls, so its largest value is that of the first epoch: whoever forgets it is found out.
    "callbacks.checkpoint_best.monitor=val/loss",
    "callbacks.checkpoint_best.mode=max",
]
STEPS, EPOCHS, VALIDATED = 12, 4, 4  # images a validation
KINDS = ("moment", "saving", "validating", "two processes")
TRIES = 5


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def start(scenes, output, *overrides, before=None, processes=1):
    """Fork a training; return its processes."""
    pids, port = [], str(free_port())
    for rank in range(processes):
        pid = os.fork()
        if pid:
            pids.append(pid)
            continue
        code = 1
        try:
            log = os.open(f"{output}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(log, 1)
            os.dup2(log, 2)
            torch.set_num_threads(1)
            if processes > 1:
                os.environ.update(LOCAL_RANK=str(rank), NODE_RANK="0", MASTER_ADDR="127.0.0.1", MASTER_PORT=port)
                overrides = ("trainer=ddp_cpu", *overrides)
            if before is not None:
                before()
            sys.argv = ["gog-train", *RUN, f"data.root={scenes}", f"hydra.run.dir={output}", *overrides]
            train.main()
            code = 0
        except SystemExit as stop:
            code = stop.code
        finally:
            os._exit(code if isinstance(code, int) else 1)
    return pids


def ended(pids):
    """Wait for processes; return how they ended."""
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]


def kill_while_saving(number):
    """Have the process kill itself when half of a checkpoint is written."""
    save, calls = torch.save, itertools.count(1)

    def half(content, file):
        if next(calls) < number:
            return save(content, file)
        whole = io.BytesIO()
        save(content, whole)
        file.write(whole.getvalue()[: whole.tell() // 2])
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)
        return None

    torch.save = half


def kill_while_validating(number):
    """Have the process kill itself at an image of a validation."""
    work, calls = CocoMap.on_validation_batch_end, itertools.count(1)

    def once(*arguments, **options):
        if next(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return work(*arguments, **options)

    CocoMap.on_validation_batch_end = once


def curve(output):
    """All values that were logged of each step, by all parts of a run."""
    values = {}
    for file in sorted(output.glob("csv/version_*/metrics.csv")):
        with file.open() as rows:
            for row in csv.DictReader(rows):
                for name in ("train/loss", "val/loss"):
                    if row.get(name):
                        values.setdefault((name, int(row["step"])), []).append(float(row[name]))
    return values


def outcome(output):
    """The curve, the final numbers, and step and score of the best checkpoint."""
    results = json.loads((output / "results.json").read_text())
    best = torch.load(output / "checkpoints/best.ckpt")
    (state,) = (state for name, state in best["callbacks"].items() if "val/loss" in name)
    del results["checkpoint"]
    return curve(output), results, (best["global_step"], float(state["best_model_score"]))


def require_same(whole, resumed):
    """Compare a run with the undisturbed one."""
    (curve_one, results_one, best_one), (curve_two, results_two, best_two) = whole, resumed
    assert curve_two.keys() == curve_one.keys()
    for place, (expected, *_) in curve_one.items():
        assert curve_two[place] == pytest.approx([expected] * len(curve_two[place]), rel=1e-5), place
    assert results_two == pytest.approx(results_one)
    assert best_two == pytest.approx(best_one, rel=1e-5)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return small_scenes(tmp_path_factory.mktemp("scenes"), num_train=14, num_val=VALIDATED)


@pytest.fixture(scope="module")
def whole(scenes, tmp_path_factory):
    """Outcome and duration of undisturbed runs, by number of processes."""
    made = {}
    for processes in (1, 2):
        output = tmp_path_factory.mktemp("whole") / "run"
        began = time.monotonic()
        assert ended(start(scenes, output, processes=processes)) == [0] * processes, Path(f"{output}.log").read_text()
        made[processes] = outcome(output), time.monotonic() - began
        assert made[processes][0][2][0] < STEPS  # the best is an early one
    return made


@pytest.mark.slow
@pytest.mark.parametrize("number", range(TRIES))
@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_training_goes_on_to_the_undisturbed_end(scenes, whole, tmp_path, kind, number):
    chance = random.Random(f"{kind} {number}")
    processes = 2 if kind == "two processes" else 1
    undisturbed, seconds = whole[processes]
    output, before = tmp_path / "run", None
    if kind == "saving":  # a best and a last one an epoch, at first
        at = chance.randint(1, EPOCHS + 1)
        before = lambda: kill_while_saving(at)  # noqa: E731
    elif kind == "validating":
        at = chance.randint(1, EPOCHS * VALIDATED)
        before = lambda: kill_while_validating(at)  # noqa: E731
    pids = start(scenes, output, before=before, processes=processes)
    if before is None:
        time.sleep(chance.uniform(0.1, 0.9) * seconds)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
    codes = ended(pids)
    assert before is None or codes == [-signal.SIGKILL]
    if number % 2:  # the run goes on elsewhere
        output = output.rename(tmp_path / "moved") if output.exists() else output
    last = output / "checkpoints/last.ckpt"
    if not last.exists():
        print("no checkpoint yet: the same command from the start")
    overrides = [f"resume={last}"] if last.exists() else []
    assert ended(start(scenes, output, *overrides, processes=processes)) == [0] * processes, Path(
        f"{output}.log"
    ).read_text()
    require_same(undisturbed, outcome(output))
    assert not list(output.rglob("*.part"))
