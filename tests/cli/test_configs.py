"""Every option of every group composes; every node that a run would build can be built."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from lightning_fabric.utilities.exceptions import MisconfigurationException
from omegaconf import OmegaConf

from gog_pose import __version__
from gog_pose.cli.choices import check_choices
from gog_pose.cli.runtime import config_dir, instantiate, resolved
from gog_pose.cli.train import build_network
from gog_pose.errors import InputError
from gog_pose.methods import method_of

GROUPS = ["skeleton", "method", "optim", "data", "augmentation", "callbacks", "logger", "scale"]
# Experiments and protocols: tests/experiments, each with its own command.


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
    network = build_network(cfg)
    for node in ("encoder", "loss", "decoder"):
        assert method_of(instantiate(cfg.method[node])) == network.method
    for node in ("preprocessing", "augmentation", "data"):
        assert instantiate(cfg[node]) is not None
    assert instantiate(cfg.optim.optimizer) is not None
    assert instantiate(cfg.optim.schedule) is not None
    for callback in cfg.callbacks.values():
        assert instantiate(callback) is not None


@pytest.mark.parametrize(("group", "option"), options(*GROUPS))
def test_every_option_composes_and_instantiates(composed, group, option):
    cfg = composed(f"{group}={option}")
    check_choices(cfg)
    OmegaConf.set_struct(cfg, False)
    del cfg["hydra"]
    resolved(cfg)
    with torch.device("meta"):
        build(cfg)


@pytest.mark.parametrize(("group", "option"), options("model"))
def test_every_model_is_built(composed, group, option):
    methods = {"identity_mapping_hourglass_five_scales": ["method=simple_pose"]}  # the others are trained at one scale
    cfg = composed(f"{group}={option}", *methods.get(option, []))
    if cfg.model.trunk._target_.startswith("gog_pose.networks.trunks.timm.") and find_spec("timm") is None:
        with pytest.raises(Exception, match=r"pip install 'gog-pose\[trunks\]'"):
            build_network(cfg)
        return
    if option == "hourglass104_centernet":
        assert cfg.preprocessing.channel_order == "bgr"
        assert cfg.init == "weights/centernet.ckpt"
    with torch.device("meta"):
        network = build_network(cfg)
    assert network.skeleton.name == "coco_19"
    assert network.stride == cfg.model.stride


def test_a_stride_that_is_not_the_trunks_is_refused(composed):
    with pytest.raises(InputError, match=r"method\.encoder\.stride: 8 differs from the trunk's stride 4"):
        check_choices(composed("method.encoder.stride=8"))
    with pytest.raises(InputError, match=r"model\.stride: 8 differs from the trunk's stride 4"):
        build_network(composed("model.stride=8"))


def test_features_of_several_strides_are_refused(composed):
    with pytest.raises(InputError, match=r"strides \[4, 8, .*choose model\.trunk\.scales=1"), torch.device("meta"):
        build_network(composed("model=identity_mapping_hourglass", "model.trunk.scales=5"))


def test_a_method_that_supervises_several_scales_takes_them(composed):
    with torch.device("meta"):
        network = build_network(
            composed("experiment=table1_simplepose", "model=identity_mapping_hourglass_five_scales")
        )
    assert [feature.stride for feature in network.feature_maps] == [64, 32, 16, 8, 4] * 4
    assert sum(parameter.numel() for parameter in network.parameters()) == 128_934_510 + 20 * 48 * 257


@pytest.mark.parametrize("part", ["heads", "loss", "decoder"])
def test_a_part_of_another_method_is_refused_before_anything_is_built(composed, part):
    cfg, other = composed(), composed("method=centernet")
    cfg.method[part] = other.method[part]
    with pytest.raises(InputError, match=rf"method\.{part}: belongs to centernet, but method\.encoder to gog"):
        check_choices(cfg)


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


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "torch.load",
        "torch.optim.adam.torch.load",  # a name that another package re-exports
        "gog_pose.cli.runtime.os.system",
        "gog_pose.checkpoints.reading.torch.load",
        "pytorch_lightning.LightningModule.load_from_checkpoint",  # reads pickles
        "pytorch_lightning.seed_everything",  # of others, classes only
        "albumentations.cv2.imread",
        "gog_pose.errors",  # a module
    ],
)
def test_a_target_that_is_not_defined_in_the_allowed_packages_is_refused(composed, target):
    cfg = composed()
    cfg.method.loss = {"_target_": target}
    with pytest.raises(InputError) as error:
        instantiate(cfg.method.loss)
    assert target in str(error.value)
    assert "\n" not in str(error.value)


def test_an_option_that_a_part_does_not_have_is_named(composed):
    cfg = composed("experiment=gamma0", "method=centernet")
    with pytest.raises(InputError, match="unexpected keyword argument 'gamma'"):
        instantiate(cfg.method.loss)


def test_a_target_that_does_not_exist_is_named(composed):
    cfg = composed("method.loss._target_=gog_pose.methods.gog.loss.NoSuchLoss")
    with pytest.raises(InputError, match="NoSuchLoss' does not exist"):
        instantiate(cfg.method.loss)


def run(command, *arguments):
    """Run a command in a process; return what it printed as errors, and whether it has imported PyTorch."""
    code = (
        f"import sys; from gog_pose.cli.{command} import main\n"
        "try:\n    main()\n"
        "except SystemExit as stop:\n    print('code', stop.code, 'torch' in sys.modules)\n"
    )
    process = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    return process.stdout.strip(), process.stderr.strip()


@pytest.mark.parametrize(
    ("command", "argument", "named"),
    [
        ("train", "trainer.max_step=3", "max_step"),
        ("train", "modle=hourglass_tiny", "modle"),
        ("train", "method=pose", "pose"),
        ("train", "protocol=validation", "protocol"),
        ("train", "experiment=validation", "gog-evaluate protocol=validation"),
        ("evaluate", "protocol=demo", "gog-train experiment=demo"),
        ("train", "method.decoder._target_=gog_pose.methods.centernet.decoder.CenterDecoder", "method.decoder"),
        ("oracle", "method.decoder.stride=8", "method.decoder.stride"),
        ("predict", "sourse=photo.jpg", "sourse"),
    ],
)
def test_mistakes_are_reported_in_one_line_before_heavy_imports(command, argument, named):
    printed, errors = run(command, argument)
    assert printed == "code 2 False", errors
    assert len(errors.splitlines()) == 1
    assert named in errors


@pytest.mark.parametrize("command", ["train", "evaluate", "predict", "oracle", "inspect", "benchmark", "export"])
def test_every_command_prints_its_version(command):
    printed, errors = run(command, "--version")
    assert printed == f"gog_pose {__version__}", errors


def test_every_leaf_of_the_paper_stands_in_the_default_configuration(composed):
    cfg = composed("model=hourglass104")
    assert cfg.method.encoder.sigma == 7.0
    assert cfg.method.encoder.support == 7
    assert cfg.method.encoder.stride == cfg.method.decoder.stride == 4
    assert cfg.method.decoder.topk == 32
    assert cfg.method.loss.offset_weight == 1000.0
    assert cfg.data.batch_size == 32
    assert cfg.optim.optimizer.lr == 1e-3
    assert list(cfg.augmentation.crop_size) == [512, 512]
