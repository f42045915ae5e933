"""The recipe for a new method: a folder and one YAML, no change in the package, and all commands support it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from small_runs import SMALL, small_scenes

ADDED = Path(__file__).parent / "added"
START = (
    "import sys, gog_pose.methods\n"
    f"gog_pose.methods.__path__.append({str(ADDED / 'methods')!r})\n"
    "command = sys.argv.pop(1)\n"
    "sys.argv[0] = 'gog-' + command\n"
    "__import__(f'gog_pose.cli.{command}', fromlist=['main']).main()\n"
)


def gog(command, *overrides):
    """Run a command that finds the folder of the method; return the process."""
    process = subprocess.run(
        [sys.executable, "-c", START, command, "--config-dir", str(ADDED / "conf"), *overrides],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in process.stderr, process.stderr
    return process


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return small_scenes(tmp_path_factory.mktemp("scenes"), num_train=4, num_val=2)


@pytest.fixture(scope="module")
def trained(scenes, tmp_path_factory):
    output = tmp_path_factory.mktemp("run")
    run = ["data=folder", *SMALL, f"data.root={scenes}", "trainer.max_epochs=1", "trainer.num_sanity_val_steps=0"]
    process = gog("train", "method=minimal", *run, f"hydra.run.dir={output}")
    assert process.returncode == 0, process.stderr
    return output


def test_it_trains_and_draws_its_own_maps(trained):
    result = json.loads((trained / "results.json").read_text())
    assert result["images"] == 2
    assert (trained / "pictures/epoch_0000_maps.png").is_file()
    assert (trained / "checkpoints/best.ckpt").is_file()


def test_a_checkpoint_is_evaluated_without_naming_the_method(trained, scenes, tmp_path):
    process = gog(
        "evaluate",
        f"checkpoint={trained / 'checkpoints/best.ckpt'}",
        "data=folder",
        f"data.root={scenes}",
        "flip=true",
        "input.scales=[1,0.5]",
        f"hydra.run.dir={tmp_path}",
    )
    assert process.returncode == 0, process.stderr
    assert json.loads((tmp_path / "results.json").read_text())["images"] == 2


def test_its_views_are_drawn_and_others_are_refused(trained, scenes, tmp_path):
    predict = ["predict", f"source={scenes / 'val'}", f"checkpoint={trained / 'checkpoints/best.ckpt'}"]
    process = gog(*predict, "views=[means]", f"output={tmp_path}", f"hydra.run.dir={tmp_path}")
    assert process.returncode == 0, process.stderr
    assert list(tmp_path.glob("*means*.png"))
    process = gog(*predict, "views=[offsets]", f"output={tmp_path}", f"hydra.run.dir={tmp_path}")
    assert process.returncode == 2
    assert "means" in process.stderr.splitlines()[-1]


def test_the_oracle_and_the_inspection_take_it(scenes, tmp_path):
    annotations = scenes / "annotations/person_keypoints_val.json"
    oracle = ["oracle", "method=minimal", f"annotations={annotations}", "noise=light", "workers=0"]
    process = gog(*oracle, f"hydra.run.dir={tmp_path / 'oracle'}")
    assert process.returncode == 0, process.stderr
    assert json.loads((tmp_path / "oracle/results.json").read_text())["AP"] > 0.5
    inspect = ["inspect", "method=minimal", "data=folder", f"data.root={scenes}", "augmentation=small", "workers=0"]
    process = gog(*inspect, f"hydra.run.dir={tmp_path / 'inspect'}")
    assert process.returncode in (0, 1), process.stderr
    assert (tmp_path / "inspect/train.png").is_file()


def test_export_and_the_comparison_with_a_reference_are_refused_in_one_line(trained, tmp_path):
    process = gog(
        "export",
        f"checkpoint={trained / 'checkpoints/best.ckpt'}",
        f"output={tmp_path / 'pose.pt2'}",
        "format=torch",
        f"hydra.run.dir={tmp_path}",
    )
    assert process.returncode == 2
    assert "method minimal cannot be exported" in process.stderr.splitlines()[-1]
    process = gog("benchmark", "method=minimal", f"hydra.run.dir={tmp_path}")
    assert process.returncode == 2
    assert "minimal" in process.stderr.splitlines()[-1]
