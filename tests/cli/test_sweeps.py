"""Sweeps: a grid on one device, an error on several devices, and the search spaces of Optuna and W&B."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir
from small_runs import SMALL, small_scenes

from gog_pose.cli.runtime import config_dir

REPOSITORY = Path(__file__).resolve().parents[2]
PLUGINS = {"optuna": "hydra_plugins.hydra_optuna_sweeper", "slurm": "hydra_plugins.hydra_submitit_launcher"}


def installed(plugin):
    try:
        return importlib.util.find_spec(PLUGINS[plugin]) is not None
    except ModuleNotFoundError:
        return False


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return small_scenes(tmp_path_factory.mktemp("scenes"), num_train=4, num_val=2)


def sweep(scenes, folder, *overrides):
    run = ["data=folder", *SMALL, "trainer.max_epochs=1", "trainer.num_sanity_val_steps=0", f"data.root={scenes}"]
    command = [sys.executable, "-m", "gog_pose.cli.train", "-m", *run, f"hydra.sweep.dir={folder}/sweep", *overrides]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_grid_runs_one_value_after_the_other_on_one_device(scenes, tmp_path):
    process = sweep(scenes, tmp_path, "seed=1,2")
    assert process.returncode == 0, process.stderr
    results = [json.loads((tmp_path / f"sweep/{run}/results.json").read_text()) for run in (0, 1)]
    assert [Path(result["checkpoint"]).parts[-3] for result in results] == ["0", "1"]


def test_several_devices_are_refused_in_one_line(scenes, tmp_path):
    process = sweep(scenes, tmp_path, "trainer=ddp_cpu", "seed=1,2")
    assert process.returncode == 2
    assert "start one process per run" in process.stderr.splitlines()[-1]
    assert not list(tmp_path.rglob("*.ckpt"))


@pytest.mark.parametrize("plugin", sorted(PLUGINS))
def test_a_missing_plugin_is_told_in_one_line(scenes, tmp_path, plugin):
    if installed(plugin):
        pytest.skip(f"{PLUGINS[plugin]} is installed")
    process = sweep(scenes, tmp_path, f"hydra={plugin}", "seed=1,2")
    assert process.returncode == 2
    assert len(process.stderr.splitlines()) == 1
    assert plugin in process.stderr


def test_optuna_searches_for_the_highest_ap(scenes, tmp_path):
    if not installed("optuna"):
        pytest.skip("needs hydra-optuna-sweeper: pip install 'gog-pose[sweep]'")
    process = sweep(scenes, tmp_path, "hydra=optuna", "hydra.sweeper.n_trials=2")
    assert process.returncode == 0, process.stderr
    best = yaml.safe_load((tmp_path / "sweep/optimization_results.yaml").read_text())
    assert set(best["best_params"]) == {"optim.optimizer.lr", "method.loss.offset_weight"}


def test_what_optuna_searches_can_be_set():
    content = yaml.safe_load(Path(config_dir(), "hydra/optuna.yaml").read_text())
    require_settable([f"{name}=1" for name in content["hydra"]["sweeper"]["params"]])


@pytest.mark.parametrize("file", sorted((REPOSITORY / "experiments/sweeps").glob("*.yaml")), ids=lambda file: file.stem)
def test_a_sweep_of_wandb_calls_gog_train_with_overrides_that_compose(file):
    content = yaml.safe_load(file.read_text())
    program, *arguments = content["command"]
    assert (content["program"], program, arguments[-1]) == ("gog-train", "${program}", "${args_no_hyphens}")
    assert content["metric"] == {"name": "val/AP", "goal": "maximize"}
    require_settable([*arguments[:-1], *(f"{name}=1" for name in content["parameters"])])


def require_settable(overrides):
    with initialize_config_dir(config_dir(), version_base="1.3"):
        compose("train", overrides)
