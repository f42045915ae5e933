"""COCO AP and metrics per keypoint type in validation, over the poses of all devices."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch.distributed as dist
from pytorch_lightning.trainer.states import TrainerFn

from gog_pose.data.annotation_file import AnnotationFile
from gog_pose.data.datamodule import PoseDataModule
from gog_pose.data.samples import EvaluationSample
from gog_pose.evaluation import CocoKeypointEvaluator, detect
from gog_pose.evaluation.detections import write_detections
from gog_pose.evaluation.numbers.numbers import NumberOptions, Numbers, measure_numbers
from gog_pose.methods.method import Maps
from gog_pose.system.files import made_folder
from gog_pose.training.module import PoseModule

_PCK = 0.1  # of the longer side of the person's box
_COLUMNS = {"AP": "AP", "PCK": f"PCK@{_PCK:g}", "error_scales": "error_scales"}  # MLflow rejects @ in names


class CocoMap(pl.Callback):
    """Logs ``val/AP`` and the other metrics of ``CocoKeypointEvaluator``, over the validation images of all devices.

    Args:
        annotations: COCO-format JSON of the validation split; None = the file of the data module.
        file: File for the detections of the best checkpoint at the end of a run, in COCO's results format; None = do
            not write them.
        keypoints: True = also log ``keypoint_metrics``.
    """

    def __init__(
        self, annotations: str | Path | None = None, file: str | Path | None = None, *, keypoints: bool = True
    ) -> None:
        self.file = None if file is None else Path(file)
        self._annotations = annotations
        self._keypoints = keypoints
        self._truth: AnnotationFile | None = None
        self._evaluator: CocoKeypointEvaluator | None = None
        self._detections: dict[int, list[dict[str, Any]]] = {}

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Clear the detections of the last epoch; read the annotations on the first call."""
        self._detections = {}
        if self._evaluator is None:
            assert isinstance(pl_module, PoseModule)
            if self._annotations is None:
                datamodule = trainer.datamodule  # type: ignore[attr-defined]
                assert isinstance(datamodule, PoseDataModule)
                self._truth = datamodule.layout.read("val")
            else:
                self._truth = AnnotationFile.of(self._annotations)
            self._evaluator = CocoKeypointEvaluator(self._truth, pl_module.network.skeleton)

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: list[EvaluationSample],
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Decode the maps of a batch into poses in px of the original images."""
        assert isinstance(pl_module, PoseModule)
        predicted: list[Maps] = outputs
        for sample, maps in zip(batch, predicted, strict=True):
            self._detections[int(sample.image_id)] = detect(sample, maps, pl_module.decoder)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Compute the metrics from all poses on every device, because checkpointing needs them on every device."""
        if trainer.sanity_checking:
            return
        assert isinstance(pl_module, PoseModule)
        assert self._evaluator is not None
        assert self._truth is not None
        self._detections = self._gather()
        metrics = {f"val/{name}": value for name, value in self._evaluator.evaluate(self._detections).items()}
        if self._keypoints:
            options = NumberOptions(pck=(_PCK,))
            metrics |= keypoint_metrics(
                measure_numbers(self._truth, self._detections, pl_module.network.skeleton, options)
            )
        for name, value in metrics.items():
            # Every device must log the value, for checkpointing. It is equal on all devices, so the mean is the same.
            pl_module.log(name, value, prog_bar=name == "val/AP", rank_zero_only=False, sync_dist=True)
        if trainer.is_global_zero and self.file is not None and trainer.state.fn == TrainerFn.VALIDATING:
            category = {"category_id": self._evaluator.category_id}
            people = itertools.chain.from_iterable(self._detections.values())
            made_folder(self.file.parent, "callbacks.coco_map.file")
            write_detections(self.file, ({**person, **category} for person in people))

    @property
    def num_images(self) -> int:
        """Number of images of the last validation, over all devices."""
        return len(self._detections)

    def image_precision(self, image_id: int) -> float:
        """Return the AP on one image of the last validation; nan if nobody is annotated."""
        assert self._evaluator is not None
        return self._evaluator.evaluate({image_id: self._detections[image_id]})["AP"]

    def _gather(self) -> dict[int, list[dict[str, Any]]]:
        """Merge the poses of all devices; images that the sampler repeats to balance the devices appear once."""
        if not (dist.is_available() and dist.is_initialized()):
            return self._detections
        gathered: list[Any] = [None] * dist.get_world_size()
        dist.all_gather_object(gathered, self._detections)
        return {image_id: people for detections in reversed(gathered) for image_id, people in detections.items()}


def keypoint_metrics(numbers: Numbers) -> dict[str, float]:
    """Return the metrics per keypoint type and the best score threshold by the name under which they are logged.

    Args:
        numbers: Metrics whose PCK thresholds include 0.1.

    Returns:
        ``val_keypoints/AP/NAME``, ``val_keypoints/PCK/NAME`` (PCK at 0.1) and ``val_keypoints/error_scales/NAME`` for
        each keypoint type, and PCK and error of ``all`` types together, see ``Distances.summary``; ``val/F1``, the
        highest F1 over all score thresholds, and ``val/F1_threshold``, its threshold. A value that is not defined, such
        as the AP of a type without labels, is nan.
    """
    rows = {"all": numbers.distances.summary(numbers.options.pck), **numbers.by_type()}
    best = numbers.scores.best()
    return {
        **{
            f"val_keypoints/{name}/{keypoint}": row[column]
            for name, column in _COLUMNS.items()
            for keypoint, row in rows.items()
            if column in row
        },
        "val/F1": best["F1"],
        "val/F1_threshold": best["threshold"],
    }
