"""Every option of every group composes; every node that a run would build can be built."""

from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from lightning_fabric.utilities.exceptions import MisconfigurationException
from omegaconf import OmegaConf

from gog_pose.cli.runtime import config_dir, instantiate, resolved
from gog_pose.errors import InputError

GROUPS = [
    "skeleton",
    "encoding",
    "decoder",
    "loss",
    "optim",
    "data",
    "augmentation",
    "callbacks",
    "logger",
    "grouping",
]  # experiments: tests/test_experiments.py, each with its own command


def options(*groups):
    """All (group, option) pairs of the groups."""
    return [(group, file.stem) for group in groups for file in sorted(Path(config_dir(), group).glob("*.yaml"))]


@pytest.fixture
def composed(tmp_path):
    """Compose ``train`` with overrides as the command does, its output below ``tmp_path``."""

    def make(*overrides):
        with initialize_config_dir(config_dir(), version_base="1.3"):
            cfg = compose(
                "train",
                [
                    f"paths.output_dir={tmp_path}",
                    "model=hourglass_tiny",
                    "trainer=cpu",
                    f"data.root={tmp_path}",
                    *overrides,
                ],
                return_hydra_config=True,
            )
        HydraConfig.instance().set_config(cfg)
        OmegaConf.set_readonly(cfg.hydra, False)
        return cfg

    return make


def build(cfg):
    for node in ("skeleton", "encoder", "decoder", "model", "loss", "preprocessing", "augmentation", "data"):
        assert instantiate(cfg[node]) is not None
    assert instantiate(cfg.optim.optimizer) is not None
    assert instantiate(cfg.optim.schedule) is not None
    for callback in cfg.callbacks.values():
        assert instantiate(callback) is not None


@pytest.mark.parametrize(("group", "option"), options(*GROUPS))
def test_every_option_composes_and_instantiates(composed, group, option):
    whole = group == "encoding" and option == "center"  # nothing else decodes it
    cfg = composed("grouping=center" if whole else f"{group}={option}")
    OmegaConf.set_struct(cfg, False)
    del cfg["hydra"]
    resolved(cfg)
    build(cfg)


@pytest.mark.parametrize(("group", "option"), options("model"))
def test_every_model_is_built(composed, group, option):
    cfg = composed(f"{group}={option}")
    if option == "hourglass104_centernet":
        assert cfg.preprocessing.channel_order == "bgr"
        cfg.model.weights = "/nowhere/centernet.ckpt"
        with pytest.raises(InstantiationException) as error, torch.device("meta"):
            instantiate(cfg.model)
        assert "/nowhere/centernet.ckpt: no such checkpoint" in str(error.value.__cause__)
        return
    with torch.device("meta"):
        network = instantiate(cfg.model)
    assert network.skeleton.name == "coco_19"


@pytest.mark.parametrize(("group", "option"), options("trainer"))
def test_every_trainer_is_built_or_says_that_its_device_is_missing(composed, group, option):
    cfg = composed(f"{group}={option}")
    if cfg.trainer.accelerator == "gpu" and not torch.cuda.is_available():
        with pytest.raises(InstantiationException) as error:
            instantiate(cfg.trainer, logger=False)
        assert isinstance(error.value.__cause__, MisconfigurationException)
    else:
        assert instantiate(cfg.trainer, logger=False).max_epochs == cfg.trainer.max_epochs


@pytest.mark.parametrize("option", ["ddp_fp16", "ddp", "slurm", "gpu"])
def test_gpu_trainers_hold_what_their_names_say(composed, option):
    cfg = composed(f"trainer={option}")
    assert cfg.trainer.accelerator == "gpu"
    assert (cfg.trainer.precision == "16-mixed") == (option in ("ddp_fp16", "slurm"))
    assert cfg.trainer.sync_batchnorm == (option != "gpu")


def test_a_target_outside_the_allowed_packages_is_refused(composed):
    cfg = composed("loss._target_=os.system")
    with pytest.raises(InputError, match=r"os\.system"):
        instantiate(cfg.loss)


def test_every_leaf_of_the_paper_stands_in_the_default_configuration(composed):
    cfg = composed()
    assert cfg.encoder.sigma == 7.0
    assert cfg.encoder.support == 7
    assert cfg.encoder.stride == cfg.decoder.stride == 4
    assert cfg.decoder.topk == 32
    assert cfg.data.batch_size == 32
    assert cfg.optim.optimizer.lr == 1e-3
    assert list(cfg.augmentation.crop_size) == [512, 512]
