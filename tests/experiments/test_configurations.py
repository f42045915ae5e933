"""Experiments, scales and protocols: each composes with the commands that use it and has the settings of its name."""

import re
from pathlib import Path

import pytest
import torch
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from gog_pose.cli.choices import check_choices
from gog_pose.cli.evaluate import check
from gog_pose.cli.runtime import config_dir, instantiate, resolved

REPOSITORY = Path(__file__).resolve().parents[2]
CONF = REPOSITORY / "conf"
EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))
ABLATIONS = ["gamma0", "gamma2", "sigma5", "sigma9", "support3", "support11", "limbs16", "limbs44"]
FULL_AND_SMALL = [(), ("scale=small",)]


def composed(program, *overrides):
    """The configuration of a command, without Hydra's own part."""
    with initialize_config_dir(config_dir(), version_base="1.3"):
        config = compose(program, [*overrides, "hydra.runtime.output_dir=outputs"], return_hydra_config=True)
    HydraConfig.instance().set_config(config)
    OmegaConf.set_readonly(config.hydra, False)
    del config.hydra
    check_choices(config)
    return config


def header(path):
    """The program and overrides of the command in the comment of a file."""
    program, *overrides = re.search(r"^# gog-(.*)$", path.read_text(encoding="utf-8"), re.MULTILINE).group(1).split()
    return program, overrides


@pytest.mark.parametrize(
    ("experiment", "scale"),
    [*((name, "full") for name in EXPERIMENTS), ("table1_ours3_plus", "small"), ("table1_ours3_plus", "scenes")],
)
def test_an_experiment_composes_with_the_command_of_its_header_and_its_parts_can_be_built(experiment, scale):
    program, overrides = header(CONF / "experiment" / f"{experiment}.yaml")
    assert (program, overrides[0]) == ("train", f"experiment={experiment}")
    config = composed("train", *overrides, f"scale={scale}", "data.root=DIR")
    if "timm" in config.model.trunk._target_:
        pytest.importorskip("timm")
    nodes = [config[name] for name in ("skeleton", "preprocessing", "augmentation", "data")]
    nodes += [*config.method.values(), config.model.trunk, config.optim.optimizer, config.optim.schedule]
    with torch.device("meta"):
        for node in [*nodes, *config.callbacks.values()]:
            assert instantiate(node) is not None


@pytest.mark.parametrize("protocol", sorted(path.stem for path in (CONF / "protocol").glob("*.yaml")))
def test_a_protocol_composes_with_the_command_of_its_header(protocol):
    program, overrides = header(CONF / "protocol" / f"{protocol}.yaml")
    assert (program, overrides[0]) == ("evaluate", f"protocol={protocol}")
    config = composed("evaluate", *overrides)
    config.data = OmegaConf.masked_copy(config.data, ["root", "images", "annotations", "train_split", "val_split"])
    check(resolved(config))


@pytest.mark.parametrize("overrides", [("experiment=demo",), ("experiment=real_small",), ("scale=small",)])
def test_another_method_changes_nothing_else(overrides):
    ours, centernet = (composed("train", *overrides, *more, "data.root=DIR") for more in ((), ("method=centernet",)))
    for config in (ours, centernet):
        config.data.encoder = None
    assert "gog" in ours.method.encoder._target_
    assert "centernet" in centernet.method.encoder._target_
    ours.method = centernet.method = None
    assert resolved(ours) == resolved(centernet)


@pytest.mark.parametrize("scale", FULL_AND_SMALL)
def test_columns_of_table_2_differ_in_what_they_say(scale):
    def choices(name):
        method = composed("train", f"experiment=table2_{name}", *scale, "data.root=DIR").method
        return method.encoder.quantize, method.encoder.refinement, method.decoder.localizer, method.decoder.refine

    assert choices("ours") == (False, 0, "bicubic", False)
    assert choices("ours_ro") == (False, 3, "bicubic", True)
    assert choices("qnt") == (True, 0, "cell", False)
    assert choices("qnt_ro") == (True, 3, "cell", True)


@pytest.mark.parametrize("name", ABLATIONS)
@pytest.mark.parametrize("scale", FULL_AND_SMALL)
def test_an_ablation_differs_from_ours_in_its_one_option(name, scale):
    option, number = re.fullmatch(r"([a-z]+)(\d+)", name).groups()
    ablation, ours = (
        resolved(composed("train", f"experiment={which}", *scale, "data.root=DIR", "name=X", "group=X"))
        for which in (name, "table2_ours")
    )
    place = {"gamma": ("loss", "gamma"), "sigma": ("encoder", "sigma"), "support": ("encoder", "support")}
    if option == "limbs":
        assert ablation["skeleton"].pop("name") == f"coco_{number}" != ours["skeleton"].pop("name")
    else:
        part, leaf = place[option]
        assert ablation["method"][part].pop(leaf) == float(number) != ours["method"][part].pop(leaf)
    for config in (ablation, ours):  # what follows from the option
        del config["data"]["encoder"]
        config["method"]["encoder"]["skeleton"] = config["method"]["decoder"]["skeleton"] = None
        del config["method"]["decoder"]["sigma"]
    assert ablation == ours


def test_small_networks_are_evaluated_on_what_they_learned():
    train = composed("train", "experiment=table2_ours", "scale=small", "data.root=DIR")
    learned = composed("evaluate", "protocol=learned", "data.root=DIR")
    assert train.data.train_limit == train.data.val_limit == learned.limit == 64
    assert train.data.val_split == train.data.train_split == learned.data[f"{learned.split}_split"]
    assert train.data.val_subset == learned.subset


def published():
    """The numbers of the paper in the headers of experiments and protocols, and those of the studies' tables."""
    experiments = {"table1-ours1": "table1_ours1", "table1-ours3": "table1_ours3_plus"}
    experiments |= {f"table1-{row}": f"table1_{row}" for row in ("simplepose", "personlab", "pifpaf", "centernet")}
    experiments |= {f"table3-{row}": f"table3_{row}" for row in ("simplepose", "personlab", "pifpaf", "bottomup_hrnet")}
    experiments |= {f"table2-{row}": f"table2_{row}" for row in ("qnt", "qnt_ro", "ours", "ours_ro")}
    for cell, experiment in experiments.items():
        yield cell, CONF / "experiment" / f"{experiment}.yaml"
    yield "table1-centernet", CONF / "protocol" / "centernet.yaml"


@pytest.mark.parametrize(("cell", "file"), list(published()))
def test_configurations_and_studies_quote_the_same_numbers(cell, file):
    name, row = cell.split("-")
    study = yaml.safe_load((REPOSITORY / "experiments" / "studies" / f"{name}.yaml").read_text(encoding="utf-8"))
    assert f"{study['columns'][0]['published'][row]:.3f}" in file.read_text(encoding="utf-8")
