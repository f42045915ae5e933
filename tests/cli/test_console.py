"""Console output of a run: no advertising, one line per validation, no bar in a log file."""

import subprocess
import sys

import pytest
from small_runs import SMALL, small_scenes

_NOISE = ("Tip", "litlogger", "litmodels", "wandb", "GPU available", "TPU available", "Deprecat", "deprecated",
          "Restoring states", "Loaded model weights", "rank_zero", "`Trainer.fit` stopped")  # fmt: skip
_WIDTH = 80  # columns


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """Train two epochs as a user would, with the streams in files; return both texts and the run's log file."""
    folder = tmp_path_factory.mktemp("console")
    small_scenes(folder / "scenes", num_train=4, num_val=2)
    options = [option for option in SMALL if "enable_progress_bar" not in option]
    command = [sys.executable, "-m", "gog_pose.cli.train", *options, "data=synthetic", f"data.root={folder / 'scenes'}",
               "trainer.max_epochs=2", f"hydra.run.dir={folder / 'run'}"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr, (folder / "run" / "train.log").read_text(encoding="utf-8")


def test_a_run_shows_no_advertising_and_no_deprecations(shown):
    stdout, stderr, _ = shown
    assert [word for word in _NOISE if word in stdout + stderr] == []
    assert "Warning" not in stdout + stderr


def test_a_log_file_gets_no_control_characters(shown):
    stdout, stderr, _ = shown
    assert not set("\r\x1b\b") & set(stdout + stderr)
    assert "━" not in stdout + stderr


def test_each_validation_is_one_line_of_a_table_in_80_columns(shown):
    stdout, _, log = shown
    lines = stdout.splitlines()
    assert lines[0].split() == ["epoch", "AP", "AP50", "AP_M", "AP_L", "loss", "best", "time"]
    assert [line.split()[0] for line in lines[1:3]] == ["0", "1"]
    assert all(len(line.split()) == len(lines[0].split()) and len(line) <= _WIDTH for line in lines[:3])
    assert lines[3].startswith("AP ")  # the report of the best checkpoint comes next
    assert sum("validation_line" in line for line in log.splitlines()) == 3
