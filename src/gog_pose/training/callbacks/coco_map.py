"""COCO AP at validation: decodes the maps, gathers the poses of all devices, logs the metrics."""

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
from gog_pose.methods.method import Maps
from gog_pose.system.files import made_folder
from gog_pose.training.module import PoseModule


class CocoMap(pl.Callback):
    """Logs ``val/AP`` and the other metrics of ``CocoKeypointEvaluator``, over the validation images of all devices.

    Args:
        annotations: COCO-format JSON of the validation split; the data module's where it is None.
        file: Where the people whom the best checkpoint finds go, at the end of a run, in COCO's results format; they
            are not written where it is None.
    """

    def __init__(self, annotations: str | Path | None = None, file: str | Path | None = None) -> None:
        self.file = None if file is None else Path(file)
        self._annotations = annotations
        self._evaluator: CocoKeypointEvaluator | None = None
        self._detections: dict[int, list[dict[str, Any]]] = {}

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Forget the last epoch; read the annotations the first time."""
        self._detections = {}
        if self._evaluator is None:
            assert isinstance(pl_module, PoseModule)
            if self._annotations is None:
                datamodule = trainer.datamodule  # type: ignore[attr-defined]
                assert isinstance(datamodule, PoseDataModule)
                file = datamodule.layout.read("val")
            else:
                file = AnnotationFile.of(self._annotations)
            self._evaluator = CocoKeypointEvaluator(file, pl_module.network.skeleton)

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
        """Compute the metrics on every device from all poses, since every device's checkpointing needs them."""
        if trainer.sanity_checking:
            return
        assert self._evaluator is not None
        self._detections = self._gather()
        metrics = self._evaluator.evaluate(self._detections)
        for name, value in metrics.items():
            # Equal on all devices, so their mean changes nothing; every device must log it, for checkpointing.
            pl_module.log(f"val/{name}", value, prog_bar=name == "AP", rank_zero_only=False, sync_dist=True)
        if trainer.is_global_zero and self.file is not None and trainer.state.fn == TrainerFn.VALIDATING:
            category = {"category_id": self._evaluator.category_id}
            people = itertools.chain.from_iterable(self._detections.values())
            made_folder(self.file.parent, "callbacks.coco_map.file")
            write_detections(self.file, ({**person, **category} for person in people))

    @property
    def num_images(self) -> int:
        """The number of images that the last validation looked at, on all devices."""
        return len(self._detections)

    def image_precision(self, image_id: int) -> float:
        """Return the AP of one image of the last validation; nan where nobody is annotated."""
        assert self._evaluator is not None
        return self._evaluator.evaluate({image_id: self._detections[image_id]})["AP"]

    def _gather(self) -> dict[int, list[dict[str, Any]]]:
        """Merge the devices' poses; the sampler repeats images to even out devices, the dict keeps each once."""
        if not (dist.is_available() and dist.is_initialized()):
            return self._detections
        gathered: list[Any] = [None] * dist.get_world_size()
        dist.all_gather_object(gathered, self._detections)
        return {image_id: people for detections in reversed(gathered) for image_id, people in detections.items()}
