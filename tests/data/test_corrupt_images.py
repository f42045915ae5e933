"""gog-train skips corrupt images up to a share and says so once; past it, it ends in one line, on all devices."""

import os
import subprocess
import sys

import pytest
from small_runs import SMALL

from gog_pose.data.synthetic import synthesize


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Twelve images, of which the fourth and the fifth are cut off."""
    root = tmp_path_factory.mktemp("scenes")
    synthesize(root, num_train=12, num_val=2, seed=0, image_size=(96, 128), height_range=(50, 90), workers=0)
    for path in sorted((root / "train").iterdir())[3:5]:
        path.write_bytes(path.read_bytes()[:500])
    return root


def train(scenes, output, *overrides):
    command = [sys.executable, "-m", "gog_pose.cli.train", "data=folder", *SMALL, "~callbacks.pictures"]
    return subprocess.run(
        [*command, f"data.root={scenes}", f"hydra.run.dir={output}", "data.num_workers=2", *overrides],
        capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=300, check=False,
    )  # fmt: skip


DEVICES = pytest.mark.parametrize("trainer", ["cpu", pytest.param("ddp_cpu", marks=pytest.mark.slow)])


@DEVICES
def test_each_is_named_once_and_counted_every_epoch(scenes, tmp_path, trainer):
    process = train(scenes, tmp_path, f"trainer={trainer}", "data.max_corrupt=0.2", "trainer.max_epochs=2")
    assert process.returncode == 0, process.stderr
    lines = process.stdout.splitlines()
    named = [line for line in lines if "replaced by the next readable image" in line]
    assert len(named) == 2
    for name in ("000000000004.jpg", "000000000005.jpg"):
        assert sum(f"{scenes / 'train' / name}: the image is damaged" in line for line in named) == 1
    counted = [line.rpartition(" - ")[2] for line in lines if "corrupt and skipped" in line]
    assert counted == [f"epoch {epoch}: 2 of 12 training images were corrupt and skipped" for epoch in (0, 1)]


@DEVICES
@pytest.mark.parametrize(("share", "count"), [(0, "[12]"), (0.1, "2")])
def test_more_than_the_share_end_the_run_in_one_line(scenes, tmp_path, trainer, share, count):
    process = train(scenes, tmp_path, f"trainer={trainer}", f"data.max_corrupt={share}", "trainer.max_epochs=2")
    assert process.returncode == 2, process.stderr
    assert "Traceback" not in process.stderr
    told = [line for line in process.stderr.splitlines() if "error:" in line]
    assert len(told) == 1, process.stderr
    assert f"of the 12 training images of this epoch are corrupt, more than a share of {share};" in told[0]
    assert f"{scenes}/train/00000000000" in told[0]
    assert "epoch 0: " not in process.stdout
