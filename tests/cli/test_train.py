"""``gog-train`` as users run it: training, resuming, interruption, and one-line errors."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from small_runs import SMALL, small_scenes

from gog_pose import PoseEstimator
from gog_pose.cli import train
from gog_pose.cli.runtime import config_dir

RUN = ["data=folder", *SMALL]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return small_scenes(tmp_path_factory.mktemp("scenes"), num_train=12, num_val=4)


@pytest.fixture
def gog_train(monkeypatch, capfd):
    """Run the command in this process; return its exit code, output and errors."""

    def run(*overrides):
        monkeypatch.setattr(sys, "argv", ["gog-train", *map(str, overrides)])
        code = 0
        try:
            train.main()
        except SystemExit as stop:
            code = stop.code
        return code, *capfd.readouterr()

    return run


def epochs_logged(output):
    epochs = set()
    for part in (output / "csv").glob("version_*/metrics.csv"):
        with part.open() as file:
            epochs |= {int(row["epoch"]) for row in csv.DictReader(file) if row.get("val/AP")}
    return epochs


def logged(output, name):
    """All values of a metric; at least one."""
    with (output / "csv/version_0/metrics.csv").open() as file:
        values = [float(row[name]) for row in csv.DictReader(file) if row.get(name)]
    assert values, name
    return values


def test_the_results_count_the_images_that_were_looked_at(gog_train, scenes, tmp_path):
    output = tmp_path / "run"
    options = ("trainer.max_epochs=1", "+trainer.limit_val_batches=1", f"hydra.run.dir={output}")
    code, printed, _ = gog_train(*RUN, f"data.root={scenes}", *options)
    assert code == 0
    images = json.loads((output / "results.json").read_text())["images"]
    assert 0 < images < 4
    assert f"on {images} images of" in printed


def test_a_run_leaves_everything_a_user_expects(gog_train, scenes, tmp_path):
    output = tmp_path / "run"
    run = (*RUN, f"data.root={scenes}", "trainer.max_epochs=2", f"hydra.run.dir={output}")
    code, printed, _ = gog_train(*run, "trainer.log_every_n_steps=2")
    assert code == 0
    assert "best checkpoint" in printed
    assert epochs_logged(output) >= {0, 1}
    assert min(logged(output, "speed/images_per_second")) > 0
    assert all(0 <= share <= 1 for share in logged(output, "speed/data_wait"))
    assert min(logged(output, "train/gradient_norm")) > 0
    result = json.loads((output / "results.json").read_text(), parse_constant=pytest.fail)  # nan is not JSON
    assert {"AP", "AP50", "AP75", "AP_M", "AP_L", "AR"} <= result.keys()
    assert result["images"] == 4
    assert (output / "pictures/epoch_0000.png").stat().st_size > 1000
    assert (output / ".hydra/config.yaml").exists()
    estimator = PoseEstimator.from_checkpoint(output / "checkpoints/best.ckpt")
    image = next((scenes / "val").glob("*.jpg"))
    assert estimator.predict(image).keypoints.shape[1:] == (17, 3)
    assert not any("_target_" in str(value) for value in torch.load(output / "checkpoints/last.ckpt").values())


def experiments():
    """Names of all experiments, which are for this command, but for the one that keeps its model."""
    return sorted(file.stem for file in Path(config_dir(), "experiment").glob("*.yaml") if file.stem != "demo")


@pytest.mark.parametrize("experiment", experiments())
def test_every_experiment_takes_a_step(gog_train, scenes, tmp_path, experiment):
    overrides = (f"experiment={experiment}", *RUN, f"data.root={scenes}", f"hydra.run.dir={tmp_path}")
    code, _, errors = gog_train(*overrides, "init=null", "trainer.fast_dev_run=true")  # weights are not everywhere
    assert code == 0, errors


def test_the_demo_trains_the_bundled_model_further(gog_train, scenes, tmp_path):
    small = ("trainer=cpu", "data.batch_size=4", "augmentation.crop_size=[64,64]", "preprocessing.long_side=128")
    overrides = ("experiment=demo", f"data.root={scenes}", *small, f"hydra.run.dir={tmp_path}")
    code, output, errors = gog_train(*overrides, "trainer.fast_dev_run=true")
    assert code == 0, errors
    said = "init=gog_mobilenet: transferred: trunk (121 tensors), neck (16 tensors), heads (10 tensors)"
    assert said in output + errors


def test_the_range_test_of_the_learning_rate_writes_a_curve_and_stops(gog_train, scenes, tmp_path):
    output = tmp_path / "run"
    code, printed, errors = gog_train(*RUN, f"data.root={scenes}", f"hydra.run.dir={output}", "find_rate=30")
    assert code == 0, errors
    with (output / "learning_rate.csv").open() as file:
        rates = [float(row["learning_rate"]) for row in csv.DictReader(file)]
    np.testing.assert_allclose(rates, np.geomspace(1e-6, 1, 30)[: len(rates)], rtol=1e-5)
    assert len(rates) > 15
    suggested = float(re.search(r"optim\.optimizer\.lr=(\S+)", printed)[1])
    assert 1e-6 < suggested < 1
    assert (output / "learning_rate.png").stat().st_size > 0
    assert not (output / "checkpoints").exists()


def test_early_stopping_ends_a_run_that_does_not_improve(gog_train, scenes, tmp_path):
    options = ("callbacks=early_stopping", "callbacks.early_stopping.patience=1", "trainer.max_epochs=20")
    fixed = ("callbacks.early_stopping.min_delta=1",)  # AP never rises by more
    output = tmp_path / "run"
    code, _, errors = gog_train(*RUN, f"data.root={scenes}", f"hydra.run.dir={output}", *options, *fixed)
    assert code == 0, errors
    assert epochs_logged(output) == {0, 1, 2}  # two epochs of 20, and the evaluation of the best checkpoint at the end


def test_resuming_goes_on_where_the_checkpoint_ended(gog_train, scenes, tmp_path):
    """Two epochs and one more leave the same weights as three in one go, where nothing is random but the start."""
    same = [*RUN, f"data.root={scenes}", "augmentation=none", "data.batch_size=12", "optim=adam"]
    same += ["optim.schedule.warmup=0.0", "optim.schedule.drops=[]"]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert gog_train(*same, "trainer.max_epochs=3", f"hydra.run.dir={whole}")[0] == 0
    assert gog_train(*same, "trainer.max_epochs=2", f"hydra.run.dir={parts}")[0] == 0
    last = parts / "checkpoints/last.ckpt"
    assert gog_train(*same, "trainer.max_epochs=3", f"hydra.run.dir={parts}", f"resume={last}")[0] == 0
    one, other = (torch.load(run / "checkpoints/last.ckpt") for run in (whole, parts))
    assert one["global_step"] == other["global_step"] == 3
    assert epochs_logged(parts) >= {0, 1, 2}  # what the first part logged is kept
    for key, value in one["state_dict"].items():
        torch.testing.assert_close(other["state_dict"][key], value, rtol=1e-4, atol=1e-5)


def test_wandb_without_a_key_logs_offline_and_runs_do_not_merge(gog_train, scenes, tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    for name in ("one", "two"):
        run = [
            *RUN,
            f"data.root={scenes}",
            "trainer.max_epochs=1",
            "logger=wandb",
            f"hydra.run.dir={tmp_path / name}",
        ]
        assert gog_train(*run)[0] == 0
        (offline,) = (tmp_path / name / "wandb").glob("offline-run-*")
        assert list(offline.glob("files/media/images/val/poses*.jpg"))
        assert epochs_logged(tmp_path / name)


def wait_for(condition, process, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "timed out"
        time.sleep(0.05)


@pytest.fixture
def start(scenes):
    """Start a run that would not end by itself, and wait until it has a checkpoint and trains on."""
    processes = []

    def run(output, *overrides):
        command = [sys.executable, "-m", "gog_pose.cli.train", *RUN, f"data.root={scenes}", f"hydra.run.dir={output}"]
        process = subprocess.Popen(
            [*command, "trainer.max_epochs=5000", "trainer.check_val_every_n_epoch=5000", *overrides],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            # Tests that run in the background of a shell inherit that Ctrl+C is ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        processes.append(process)
        wait_for((output / "checkpoints/last.ckpt").exists, process)
        return process

    yield run
    for process in processes:
        process.kill()
        process.communicate()


def test_a_killed_run_goes_on_from_its_last_checkpoint(gog_train, start, scenes, tmp_path):
    process = start(tmp_path)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    last = tmp_path / "checkpoints/last.ckpt"
    epoch = torch.load(last)["epoch"]
    again = [*RUN, f"data.root={scenes}", f"resume={last}", f"hydra.run.dir={tmp_path}"]
    code, _, errors = gog_train(*again, f"trainer.max_epochs={epoch + 2}")
    assert code == 0, errors
    assert torch.load(last)["epoch"] == epoch + 1


def test_an_interrupt_ends_cleanly_with_a_checkpoint(gog_train, start, scenes, tmp_path):
    process = start(tmp_path)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    interrupted = tmp_path / "checkpoints/interrupted.ckpt"
    assert process.returncode == 130, errors
    assert f"resume={interrupted}" in errors
    assert "Traceback" not in errors
    checkpoint = torch.load(interrupted)
    again = [*RUN, f"data.root={scenes}", f"resume={interrupted}", f"hydra.run.dir={tmp_path}"]
    code, _, errors = gog_train(*again, f"trainer.max_epochs={checkpoint['epoch'] + 1}")
    assert code == 0, errors
    assert torch.load(tmp_path / "checkpoints/last.ckpt")["global_step"] > checkpoint["global_step"]


@pytest.mark.parametrize("ends_early", ["trainer.max_steps=1", "trainer.check_val_every_n_epoch=5"])
def test_training_that_ends_before_a_validation_is_evaluated_by_its_last_checkpoint(
    gog_train, scenes, tmp_path, ends_early
):
    run = [*RUN, f"data.root={scenes}", f"hydra.run.dir={tmp_path}", "trainer.max_epochs=1"]
    code, printed, errors = gog_train(*run, ends_early)
    assert code == 0, errors
    assert f"last checkpoint: {tmp_path}/checkpoints/last.ckpt" in printed
    assert json.loads((tmp_path / "results.json").read_text())["checkpoint"] == f"{tmp_path}/checkpoints/last.ckpt"


def test_training_without_validation_is_not_evaluated_and_says_so(gog_train, scenes, tmp_path):
    run = [*RUN, f"data.root={scenes}", f"hydra.run.dir={tmp_path}", "trainer.max_epochs=1"]
    code, printed, errors = gog_train(*run, "+trainer.limit_val_batches=0")
    assert code == 0, errors
    assert "not evaluated" in printed
    assert f"last checkpoint: {tmp_path}/checkpoints/last.ckpt" in printed
    assert not (tmp_path / "results.json").exists()


def test_training_without_checkpoints_says_which_callback_makes_one(gog_train, scenes, tmp_path):
    run = [*RUN, f"data.root={scenes}", f"hydra.run.dir={tmp_path}", "trainer.max_epochs=1"]
    code, _, errors = gog_train(*run, "~callbacks.checkpoint_best", "~callbacks.checkpoint_last")
    assert code == 2
    assert errors.strip().splitlines()[-1].endswith("keep checkpoint_best or checkpoint_last")


def without(path):
    path.unlink()


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    ("damage", "overrides", "words"),
    [
        (None, ["data.root=/nowhere/at/all"], "/nowhere/at/all/annotations/person_keypoints_train.json: no such"),
        (None, ["trainer.max_epoch=3"], "max_epoch"),
        (None, ["model=hourglass_huge"], "hourglass_huge"),
        (None, ["method.encoder.support=4"], "support 4"),
        (None, ["data.batch_size=99"], "batch_size: 99"),
        (None, ["data.multiple=24"], "data.multiple: 24"),
        (None, ["resume=/nowhere.ckpt"], "/nowhere.ckpt: there is no such file"),
        (lambda root: truncate(root / "annotations/person_keypoints_train.json"), [], "not a readable JSON"),
        (lambda root: without(next((root / "train").iterdir())), [], "is not in"),
        (lambda root: [truncate(image) for image in (root / "train").iterdir()], [], ".jpg"),
        (lambda root: [truncate(image) for image in (root / "train").iterdir()], ["data.num_workers=1"], ".jpg"),
    ],
)
def test_mistakes_are_told_in_one_line_with_exit_code_2(gog_train, scenes, tmp_path, damage, overrides, words):
    root = tmp_path / "scenes"
    shutil.copytree(scenes, root)
    if damage is not None:
        damage(root)
    code, _, errors = gog_train(
        *RUN, f"data.root={root}", "trainer.max_epochs=1", f"hydra.run.dir={tmp_path / 'run'}", *overrides
    )
    assert code == 2
    told = [line for line in errors.splitlines() if "error:" in line]
    assert len(told) == 1, errors
    assert words in told[0]
    assert "Traceback" not in errors
    assert errors.splitlines()[-1] == told[0]


def test_a_loss_that_is_not_finite_ends_the_run_and_says_where(gog_train, scenes, tmp_path):
    run = (*RUN, f"data.root={scenes}", f"hydra.run.dir={tmp_path}", "trainer.max_epochs=9")
    code, _, errors = gog_train(*run, "optim.optimizer.lr=1e30")
    assert code == 2
    last = errors.strip().splitlines()[-1]
    assert "the loss is not finite (" in last
    assert "stack 0 is" in last
    assert "optim.optimizer.lr" in last


def test_the_checkpoint_of_another_skeleton_is_refused(gog_train, scenes, tmp_path):
    run = [*RUN, f"data.root={scenes}", "trainer.max_epochs=1", f"hydra.run.dir={tmp_path}"]
    assert gog_train(*run)[0] == 0
    last = tmp_path / "checkpoints/last.ckpt"
    code, _, errors = gog_train(*run, f"resume={last}", "skeleton=coco_44")
    assert code == 2
    assert "trained for coco_19 (17 keypoints, 19 limbs)" in errors.splitlines()[-1]


def test_multirun_over_several_devices_is_refused(gog_train, scenes, tmp_path):
    sweep = [f"hydra.sweep.dir={tmp_path}", "trainer=ddp_cpu", "seed=1,2", "-m"]
    code, _, errors = gog_train(*RUN, f"data.root={scenes}", *sweep)
    assert code == 2
    assert "one device" in errors.splitlines()[-1]
