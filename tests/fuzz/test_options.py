"""Random options of all commands are refused in one line, or the described objects can be built."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from gog_pose.cli.choices import check_choices
from gog_pose.cli.evaluate import only_layout
from gog_pose.cli.options import check_options, has_rule
from gog_pose.cli.reports import line_of
from gog_pose.cli.runtime import config_dir, instantiate

COMMANDS = (
    "train", "evaluate", "predict", "oracle", "inspect", "benchmark", "export", "import_weights", "synthesize",
)  # fmt: skip
VALUES = (
    "null", "true", "false", "0", "1", "-1", "2", "7", "64", "-64", "0.5", "-0.5", "1e-3", "2.5", "nan", "inf", "-inf",
    "1e309", "99999999999999999999", "abc", "''", "'a b'", "[]", "[1]", "[1,2]", "[0,0]", "[2,1]", "[a,b]", "[[1]]",
    "[null]", "{}", "{a:1}", "{_target_:os.system}", "{_target_:gog_pose.errors.InputError}", "???", "'${seed}'",
    "'${nothing}'", "'${oc.env:NOT_SET_ANYWHERE}'", "rgb", "max", "cubic", "é", "a/b", "1_000", "0x10", "1,5",
)  # fmt: skip
BUILT = ("preprocessing", "augmentation", "method.encoder", "method.decoder", "method.loss", "noise", "skeleton")
SETS = 500


def leaves(node, path=""):
    """The paths of all options, of whole groups too."""
    for name in node:
        place = f"{path}.{name}" if path else str(name)
        if name != "hydra":
            yield place
            child = node._get_node(name)
            if isinstance(child, DictConfig) and not child._is_interpolation() and not child._is_missing():
                yield from leaves(child, place)


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """The options of every command."""
    with initialize_config_dir(config_dir(), version_base="1.3"):
        return {command: list(leaves(compose(command))) for command in COMMANDS}


def composed(command, overrides, folder):
    with initialize_config_dir(config_dir(), version_base="1.3"):
        config = compose(command, [f"paths.output_dir={folder}", *overrides], return_hydra_config=True)
    HydraConfig.instance().set_config(config)
    OmegaConf.set_readonly(config.hydra, False)
    OmegaConf.set_struct(config, False)
    del config["hydra"]
    return config


def check(command, config):
    """Check options as the command does."""
    if command == "evaluate":
        only_layout(config)
    check_choices(config)
    check_options(command, config)


def build(config):
    """Build what does not need data or a large network."""
    for path in BUILT:
        node = OmegaConf.select(config, path)
        if node is not None and "_target_" in node:
            instantiate(node)
    if "optim" in config and "optimizer" in config.optim:
        optimizer = instantiate(config.optim.optimizer)([torch.nn.Parameter(torch.zeros(2))])
        if callable(schedule := instantiate(config.optim.schedule)):
            schedule(optimizer, 100)


def refusal(command, overrides, folder):
    """Return the one-line error for options; empty: a traceback in place of one line; None: they are accepted."""
    composing = True
    try:
        config = composed(command, overrides, folder)
        composing = False
        check(command, config)
        build(config)
    except Exception as error:
        line = line_of(error, config_dir(), composing=composing)
        return "" if line is None or "\n" in line else line
    return None


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_random_options_are_refused_in_one_line_or_can_be_built(paths, tmp_path, seed):
    random, refused = np.random.default_rng(seed), 0
    for _ in range(SETS // 10):
        command = COMMANDS[random.integers(len(COMMANDS))]
        known = [path for path in paths[command] if not path.startswith("paths")]
        chosen = random.choice(known, size=min(len(known), random.integers(1, 4)), replace=False)
        overrides = [f"{path}={VALUES[random.integers(len(VALUES))]}" for path in chosen]
        line = refusal(command, overrides, tmp_path)
        assert line != "", (command, overrides)
        refused += line is not None
    assert refused > SETS // 40


@pytest.mark.parametrize("value", ["nan", "-1", "abc", "[]", "{}", "null", "true"])
def test_no_number_of_the_paper_takes_what_is_none(tmp_path, value):
    for path in ("method.encoder.sigma", "method.decoder.topk", "data.batch_size", "optim.optimizer.lr", "seed"):
        line = refusal("train", [f"data.root={tmp_path}", f"{path}={value}"], tmp_path)
        assert line is not None, path
        assert path.removeprefix("method.") in line


@pytest.mark.parametrize(
    ("command", "override"),
    [
        ("oracle", "limit=0"), ("oracle", "workers=-1"), ("oracle", "worst=null"), ("inspect", "previews=-1"),
        ("inspect", "workers=two"), ("evaluate", "devices=0"), ("evaluate", "input.scales=[0]"), ("predict", "every=0"),
        ("predict", "batch_size=-1"), ("synthesize", "image_size=[0,1]"), ("benchmark", "repeats=0"),
        ("export", "input.long_side=-64"), ("import_weights", "skeletons=3"), ("train", "trainer.log_every_n_steps=0"),
        ("train", "trainer.max_epochs=-2"), ("train", "callbacks.checkpoint_best.mode=best"),
        ("train", "model.trunk.stacks=0"),
        ("train", "augmentation.flip=2"), ("train", "augmentation.scale=[2,1]"), ("train", "method.loss.gamma=nan"),
        ("train", "optim.schedule.warmup=2"), ("train", "optim.optimizer.betas=[2,2]"), ("train", "compile=3"),
    ],
)  # fmt: skip
def test_options_out_of_their_range_are_named(tmp_path, command, override):
    line = refusal(command, [f"data.root={tmp_path}", override] if command == "train" else [override], tmp_path)
    assert line is not None
    assert override.partition("=")[0] in line


def test_every_option_has_a_type(paths, tmp_path):
    missing = []

    for command in COMMANDS:
        config = composed(command, [], Path(tmp_path))
        check(command, config)
        for path in leaves(config):
            parents = [path.rsplit(".", depth)[0] for depth in range(1, path.count(".") + 1)]
            built = [OmegaConf.select(config, parent) for parent in (path, *parents)]
            described = any(isinstance(node, DictConfig) and "_target_" in node for node in built)
            group = isinstance(OmegaConf.select(config, path), DictConfig)
            if not (described or group or has_rule(command, path)):
                missing.append(f"{command}: {path}")
    assert not missing
