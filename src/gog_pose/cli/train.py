"""``gog-train``: training of a pose network and evaluation of the best checkpoint."""

from __future__ import annotations

import logging
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from hydra.types import RunMode
from omegaconf import DictConfig

from gog_pose.cli.runtime import OUTPUT, command, instantiate, resolved
from gog_pose.errors import InputError
from gog_pose.system.files import remove_unfinished

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytorch_lightning as pl
    import torch

    from gog_pose.data.datamodule import PoseDataModule
    from gog_pose.networks import PoseNetwork
    from gog_pose.training.module import PoseModule


_log = logging.getLogger(__name__)
_CROPS, _CROPS_PER_BATCH = 64, 8  # for measuring the statistics of batch normalization


@command("train", folder=OUTPUT)
def main(cfg: DictConfig) -> float | None:
    """Train a network (see ``conf/train.yaml``) and return the AP of the best checkpoint, which sweeps maximize."""
    import pytorch_lightning as pl
    from pytorch_lightning.loggers import WandbLogger

    from gog_pose.checkpoints.description import read_checkpoint, require_same_kind
    from gog_pose.checkpoints.registry import find_weights
    from gog_pose.checkpoints.transfer import start_from
    from gog_pose.training.console import without_advice
    from gog_pose.training.loggers import start
    from gog_pose.training.module import PoseModule
    from gog_pose.training.precision import resolved_precision

    without_advice()
    cfg.trainer.precision = resolved_precision(str(cfg.trainer.precision))
    pl.seed_everything(cfg.seed, verbose=False)
    data: PoseDataModule = instantiate(cfg.data)  # before the network, whose construction may take a minute
    parts: dict[str, Any] = {
        "decoder": instantiate(cfg.method.decoder),
        "loss": instantiate(cfg.method.loss),
        "preprocessing": instantiate(cfg.preprocessing),
        "optimizer": instantiate(cfg.optim.optimizer),
        "schedule": instantiate(cfg.optim.schedule),
    }
    module = PoseModule(network=build_network(cfg), **parts, trunk_rate=cfg.optim.trunk_rate)
    if cfg.data.multiple is None:  # the padding of gog-evaluate and PoseEstimator, which gives the same AP
        data.multiple = module.network.max_stride
    if data.multiple % module.network.max_stride:
        raise InputError(
            f"data.multiple: {data.multiple} is not a multiple of the network's largest stride"
            f" {module.network.max_stride}; change it"
        )
    if cfg.init is not None and cfg.resume is None:
        transfer = start_from(module.network, find_weights(cfg.init), lambda: training_crops(data))
        _log.info("init=%s: %s", cfg.init, transfer)
    if cfg.resume is not None:
        require_same_kind(read_checkpoint(cfg.resume), module.network)
    if cfg.compile is not None:
        compile_network(module.network, resolved(cfg)["compile"])

    if cfg.find_rate is not None:
        find_rate(cfg, module, data)
        return None
    trainer = build_trainer(cfg)
    if trainer.is_global_zero:
        remove_unfinished(Path(cfg.paths.output_dir))
    for logger in trainer.loggers:
        if isinstance(logger, WandbLogger) and trainer.is_global_zero:
            start(logger)
        logger.log_hyperparams(resolved(cfg))
    try:
        trainer.fit(module, data, ckpt_path=cfg.resume, weights_only=True)
        if trainer.fast_dev_run:  # type: ignore[attr-defined]
            return None
        return report(trainer, module, data, Path(cfg.paths.output_dir), cfg.results)
    except SystemExit:
        if trainer.interrupted:
            print_how_to_resume(trainer)
            sys.exit(130)
        raise
    finally:
        finish_wandb(trainer)


def find_rate(cfg: DictConfig, module: PoseModule, data: PoseDataModule) -> None:
    """Run a learning-rate range test of ``find_rate`` steps, write the curve and print a suggestion."""
    from gog_pose.training.callbacks import RateRange
    from gog_pose.training.finite import NotFiniteError

    if cfg.resume is not None:
        raise InputError("find_rate: cannot be combined with resume; give the weights by init=")
    finder = RateRange(cfg.paths.output_dir, cfg.find_rate)
    freezing = {name: node for name, node in cfg.callbacks.items() if node._target_.endswith(".Freeze")}
    test = {"max_steps": cfg.find_rate, "max_epochs": -1, "limit_val_batches": 0, "num_sanity_val_steps": 0}
    cfg.callbacks, cfg.logger, cfg.trainer = freezing, {}, {**cfg.trainer, **test, "enable_checkpointing": False}
    trainer = build_trainer(cfg)
    trainer.callbacks.append(finder)  # type: ignore[attr-defined]
    try:
        trainer.fit(module, data)
    except NotFiniteError:  # expected at high rates
        if not len(finder.losses):
            raise
    if trainer.is_global_zero:
        finder.write()
        print(
            f"suggested learning rate: optim.optimizer.lr={finder.suggestion():.1e}\n"
            f"curve: {cfg.paths.output_dir}/learning_rate.csv, learning_rate.png"
        )


def build_network(cfg: DictConfig) -> PoseNetwork:
    """Build the network of a configuration, with new weights.

    Raises:
        InputError: The stride of the configuration differs from the trunk's, or the trunk outputs features of several
            strides for a method that supports only one.
    """
    from gog_pose.methods import load_method
    from gog_pose.networks.network import assembled

    parts = instantiate(cfg.skeleton), instantiate(cfg.model.trunk), cfg.model.get("neck")
    network = assembled(*parts, instantiate(cfg.method.heads))
    strides = sorted({feature_map.stride for feature_map in network.feature_maps})
    if len(strides) > 1 and not load_method(network.method).several_strides:
        raise InputError(
            f"model: the features have the strides {strides}, but method {network.method} supports only one; choose"
            " model.trunk.scales=1, or add a neck"
        )
    if network.stride != cfg.stride:
        raise InputError(f"model.stride: {cfg.stride} differs from the trunk's stride {network.stride}; correct it")
    return network


def training_crops(data: PoseDataModule) -> Iterator[torch.Tensor]:
    """Yield batches of the first training crops, for the statistics of batch normalization."""
    import torch

    from gog_pose.data.sampler import CropKey

    data.setup("fit")
    count = min(_CROPS, len(data.train_set))
    for start in range(0, count, _CROPS_PER_BATCH):
        items = range(start, min(start + _CROPS_PER_BATCH, count))
        yield torch.stack([data.train_set[CropKey(epoch=0, item=item)].images for item in items])


def compile_network(network: PoseNetwork, arguments: dict[str, Any]) -> None:
    """Compile a network in place, because ``torch.compile(network)`` would return a module with other tensor names.

    Raises:
        InputError: ``torch.compile`` does not have these arguments.
    """
    try:
        network.compile(**arguments)
    except TypeError as error:
        raise InputError(f"compile: {error}; give arguments of torch.compile, or {{}} for its defaults") from error


def build_trainer(cfg: DictConfig) -> pl.Trainer:
    """Build the Trainer with its callbacks and loggers.

    Raises:
        InputError: The device does not exist, or a multirun uses several devices. Lightning's launcher does not support
            this: its child processes would start the whole sweep again.
    """
    from lightning_fabric.utilities.exceptions import MisconfigurationException

    from gog_pose.training.callbacks import TrainingProgress
    from gog_pose.training.checkpoint_io import AtomicCheckpointIO

    progress = [TrainingProgress()] if cfg.trainer.enable_progress_bar else []  # first, to end before others print
    try:
        trainer: pl.Trainer = instantiate(
            cfg.trainer,
            callbacks=[*progress, *(instantiate(node) for node in cfg.callbacks.values())],
            logger=[instantiate(node) for node in cfg.logger.values()],
            plugins=[AtomicCheckpointIO()],
        )
    except InstantiationException as error:
        if isinstance(error.__cause__, MisconfigurationException):
            raise InputError(f"trainer: {error.__cause__}; choose another trainer, such as trainer=cpu") from error
        raise
    if HydraConfig.get().mode == RunMode.MULTIRUN and trainer.world_size > 1:
        raise InputError("multirun (-m): supports one device only; start one process per run, or set trainer.devices=1")
    return trainer


def report(trainer: pl.Trainer, module: PoseModule, data: PoseDataModule, output: Path, results: str | None) -> float:
    """Evaluate the best checkpoint, write and print the results and the paths of all files, and return the AP.

    Without validation, nothing is evaluated, no results file is written, and the AP is nan.
    """
    from gog_pose.evaluation.coco import CROWD_METRICS
    from gog_pose.system.results import write_results
    from gog_pose.training.callbacks.coco_map import CocoMap
    from gog_pose.training.loggers import place_of

    kind, path = checkpoint_to_evaluate(trainer)
    logs = ", ".join(place_of(logger) for logger in trainer.loggers)
    if trainer.limit_val_batches == 0:
        if trainer.is_global_zero:
            print(f"not evaluated, because trainer.limit_val_batches=0\n{kind} checkpoint: {path}\nlogs: {logs}")
        return math.nan
    metrics = dict(trainer.validate(module, data, ckpt_path=path, weights_only=True, verbose=False)[0])
    average_precision = float(metrics["val/AP"])
    if not trainer.is_global_zero:
        return average_precision
    validated = [callback for callback in trainer.callbacks if isinstance(callback, CocoMap)]  # type: ignore[attr-defined]
    scores: dict[str, Any] = {
        name.removeprefix("val/"): float(value) for name, value in metrics.items() if name.startswith("val/A")
    }
    record = {
        **scores,
        "images": validated[0].num_images,
        "data": str(data.layout.annotation_file("val")),
        "long_side": data.preprocessing.long_side,
        "flip": False,
        "epochs": trainer.current_epoch,
        "steps": trainer.global_step,
        "checkpoint": path,
    }
    if results is not None:
        write_results(Path(results), record)
    crowding = "".join(f", {name} {record[name]:.3f}" for name in CROWD_METRICS if name in record)
    print(
        f"AP {record['AP']:.3f} (AP50 {record['AP50']:.3f}, AP75 {record['AP75']:.3f}, AP_M {record['AP_M']:.3f},"
        f" AP_L {record['AP_L']:.3f}, AR {record['AR']:.3f}{crowding}) on {record['images']} images of"
        f" {record['data']}, long side {record['long_side']} px, no flip\n"
        f"{kind} checkpoint: {path}\npictures: {output / 'pictures'}\nlogs: {logs}"
    )
    return average_precision


def checkpoint_to_evaluate(trainer: pl.Trainer) -> tuple[str, str]:
    """Return ``best`` and the checkpoint of the highest AP, or ``last`` and the last one if there was no validation.

    Raises:
        InputError: There is no checkpoint.
    """
    from pytorch_lightning.callbacks import ModelCheckpoint

    found = next(
        (
            ("last" if callback.monitor is None else "best", callback.best_model_path)
            for callback in trainer.checkpoint_callbacks
            if isinstance(callback, ModelCheckpoint) and Path(callback.best_model_path).is_file()
        ),
        None,
    )
    # With torchrun and SLURM, each process has another output folder; only that of the first contains checkpoints.
    found = trainer.strategy.broadcast(found)
    if found is None:
        raise InputError("callbacks: training wrote no checkpoint to evaluate; keep checkpoint_best or checkpoint_last")
    return found


def print_how_to_resume(trainer: pl.Trainer) -> None:
    """Print how to continue after an interrupt."""
    from pytorch_lightning.callbacks import ModelCheckpoint

    from gog_pose.training.callbacks import InterruptCheckpoint

    if not trainer.is_global_zero:
        return
    callbacks = trainer.callbacks  # type: ignore[attr-defined]
    saved = [str(one.path) for one in callbacks if isinstance(one, InterruptCheckpoint) and one.saved]
    saved += [one.best_model_path for one in callbacks if isinstance(one, ModelCheckpoint) and one.monitor is None]
    for path in saved[:1]:
        if Path(path).is_file():
            print(f"interrupted; to continue, run the same command with resume={path}", file=sys.stderr)


def finish_wandb(trainer: pl.Trainer) -> None:
    """Close the W&B run, otherwise a second run in the same process would be logged to it."""
    from pytorch_lightning.loggers import WandbLogger

    if any(isinstance(logger, WandbLogger) for logger in trainer.loggers) and trainer.is_global_zero:
        import wandb

        wandb.finish()


if __name__ == "__main__":
    main()
