"""The wheel works without the repository: its commands find their configuration and run."""

import importlib.util
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.timeout(300)


class Installation(NamedTuple):
    """A fresh environment that holds the wheel."""

    wheel: Path
    bin: Path


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command as a user would, without the paths of this test run; return what it printed."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    process = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, f"{command}: {process.returncode}\n{process.stdout}\n{process.stderr}"
    return process.stdout


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packaging")
    isolation = ["--no-isolation"] if importlib.util.find_spec("hatchling") else []
    run(sys.executable, "-m", "build", "--wheel", *isolation, "--outdir", folder, REPOSITORY, cwd=folder)
    (wheel,) = folder.glob("*.whl")

    environment = folder / "environment"
    run(sys.executable, "-m", "venv", "--without-pip", environment, cwd=folder)
    bin_folder = environment / ("Scripts" if os.name == "nt" else "bin")
    python = bin_folder / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-index", wheel, cwd=folder)
    # The dependencies are borrowed from the running environment; its own .pth files, and so its gog_pose if that is
    # an editable one, are not followed.
    (site_packages,) = (*environment.glob("lib/python*/site-packages"), *environment.glob("Lib/site-packages"))
    (site_packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return Installation(wheel, bin_folder)


def test_wheel_holds_the_whole_configuration_and_type_marker(installation):
    shipped = set(zipfile.ZipFile(installation.wheel).namelist())
    conf = {f"gog_pose/{path.relative_to(REPOSITORY)}" for path in REPOSITORY.glob("conf/**/*.yaml")}
    local = {name for name in conf if name.startswith("gog_pose/conf/local/")}
    assert "gog_pose/conf/train.yaml" in conf
    assert conf - local <= shipped
    assert "gog_pose/py.typed" in shipped


def test_package_is_imported_from_the_wheel(installation, tmp_path):
    location = run(installation.bin / "python", "-c", "import gog_pose; print(gog_pose.__file__)", cwd=tmp_path)
    assert Path(location.strip()).is_relative_to(installation.bin.parent)


@pytest.mark.parametrize("command", ["gog-train --help", "gog-predict --cfg job"])
def test_commands_find_their_configuration(installation, tmp_path, command):
    name, *arguments = command.split()
    assert "output" in run(installation.bin / name, *arguments, cwd=tmp_path)
    assert not list(tmp_path.iterdir())


def test_training_takes_a_step(installation, tmp_path):
    scenes = ("num_train=2", "num_val=1", "image_size=[160,160]", "height_range=[60,120]", "workers=0")
    run(installation.bin / "gog-synthesize", "output=scenes", *scenes, cwd=tmp_path)
    size = ("data.batch_size=2", "data.num_workers=0", "preprocessing.long_side=128")
    choice = ("data=synthetic", "data.root=scenes", "model=hourglass_tiny", "trainer=cpu", "trainer.fast_dev_run=true")
    run(installation.bin / "gog-train", *choice, *size, cwd=tmp_path)
