"""Final results in W&B: pictures and detections of the best checkpoint, and the checkpoint file."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, TypeVar

import pytorch_lightning as pl
from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.trainer.states import TrainerFn

from gog_pose.checkpoints.description import read_checkpoint
from gog_pose.training.callbacks.coco_map import CocoMap
from gog_pose.training.callbacks.pictures import PosePictures
from gog_pose.training.module import PoseModule

PICTURES = "best/pictures"
COLUMNS = ("image", "ground truth", "prediction", "people labelled", "people drawn", "AP")

Kind = TypeVar("Kind")


class WandbResults(pl.Callback):
    """Adds the results of the best checkpoint to a W&B run after the final evaluation.

    - ``best/pictures``: table of the images of ``PosePictures`` with the AP per image;
    - the file of ``CocoMap`` as an artifact of type ``detections``;
    - the checkpoint as an artifact of type ``model``.

    The metadata of the artifacts are the COCO metrics, epoch and step of the checkpoint, skeleton, method and input
    size. Files are not copied, so the files of an offline run must not be moved before ``wandb sync``.

    Args:
        detections: True = add the detections.
        checkpoint: True = add the checkpoint.
    """

    def __init__(self, *, detections: bool = True, checkpoint: bool = False) -> None:
        self._detections = detections
        self._checkpoint = checkpoint

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Add the results after the final evaluation, in one process; do nothing during training."""
        if trainer.state.fn != TrainerFn.VALIDATING or not trainer.is_global_zero:
            return
        assert isinstance(pl_module, PoseModule)
        (coco_map,) = _of_kind(CocoMap, trainer)
        checkpoint = Path(str(trainer.ckpt_path))
        files = {}
        if self._detections and coco_map.file is not None:
            files["detections"] = coco_map.file
        if self._checkpoint:
            files["model"] = checkpoint
        metadata = _describe(trainer, pl_module, checkpoint)
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                for pictures in _of_kind(PosePictures, trainer):
                    _log_pictures(logger, pictures, coco_map, trainer.global_step)
                for kind, file in files.items():
                    _log_file(logger, kind, file, metadata)


def _of_kind(kind: type[Kind], trainer: pl.Trainer) -> list[Kind]:
    return [callback for callback in trainer.callbacks if isinstance(callback, kind)]  # type: ignore[attr-defined]


def _log_pictures(logger: WandbLogger, pictures: PosePictures, coco_map: CocoMap, step: int) -> None:
    import wandb

    rows: list[list[Any]] = []
    for image_id, image in pictures.images.items():
        sides = [wandb.Image(side, file_type="jpg") for side in image.pictures["poses"]]
        precision = _rounded(coco_map.image_precision(image_id))
        rows.append([image_id, *sides, image.num_labelled, image.num_found, precision])
    logger.log_table(PICTURES, list(COLUMNS), rows, step=step)


def _log_file(logger: WandbLogger, kind: str, file: Path, metadata: dict[str, Any]) -> None:
    import wandb

    run = logger.experiment
    artifact = wandb.Artifact(f"{kind}-{run.id}", type=kind, metadata=metadata)
    artifact.add_file(str(file), policy="immutable", skip_cache=True)
    run.log_artifact(artifact)


def _describe(trainer: pl.Trainer, module: PoseModule, checkpoint: Path) -> dict[str, Any]:
    """Return the metadata of the artifacts of a checkpoint, which W&B shows without a download."""
    content = read_checkpoint(checkpoint)
    metrics = {
        name.removeprefix("val/"): _rounded(float(value))
        for name, value in trainer.callback_metrics.items()
        if name.startswith("val/A")
    }
    return {
        **metrics,
        "epoch": content["epoch"],
        "step": content["global_step"],
        "skeleton": module.network.skeleton.name,
        "method": module.network.method,
        "long_side": module.preprocessing.long_side,
    }


def _rounded(value: float) -> float | None:
    """Round as in results.json; nan becomes None, because JSON does not support nan."""
    return None if math.isnan(value) else round(value, 6)
