"""Pictures of the same few validation images, epoch by epoch: a PNG each time, and W&B images where W&B is on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytorch_lightning as pl
from pytorch_lightning.loggers import WandbLogger

from gog_pose.data.dataset import EvaluationSample
from gog_pose.drawing import contact_sheet, draw_poses
from gog_pose.module import PoseModule
from gog_pose.records import PoseMaps


class PosePictures(pl.Callback):
    """Draws the poses of fixed validation images, spread evenly over the split.

    Args:
        folder: Where ``epoch_0000.png`` and its successors go.
        num_images: How many images.
        min_score: People below this score are not drawn.
    """

    def __init__(self, folder: str | Path, *, num_images: int = 12, min_score: float = 0.25) -> None:
        self._folder = Path(folder)
        self._num_images = num_images
        self._min_score = min_score
        self._pictures: dict[int, np.ndarray] = {}

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: list[EvaluationSample],
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Draw the batch's share of the fixed images."""
        num_batches = trainer.num_sanity_val_batches if trainer.sanity_checking else trainer.num_val_batches
        every = max(1, int(num_batches[0]) // self._num_images)
        if trainer.sanity_checking or not trainer.is_global_zero or batch_idx % every:
            return
        if len(self._pictures) == self._num_images:
            return
        assert isinstance(pl_module, PoseModule)
        sample, maps = batch[0], outputs[0]
        assert isinstance(maps, PoseMaps)
        image = pl_module.preprocessing.to_image(sample.image)
        poses = pl_module.decoder(maps)[0].above(self._min_score)
        self._pictures[int(sample.image_id)] = draw_poses(image, poses, pl_module.network.skeleton)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the pictures of this epoch."""
        if not self._pictures:
            return
        sheet = contact_sheet(list(self._pictures.values()))
        self._folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(self._folder / f"epoch_{trainer.current_epoch:04d}.png"), sheet[..., ::-1])
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                logger.log_image(
                    "val/poses",
                    list(self._pictures.values()),
                    step=trainer.global_step,
                    caption=[str(image_id) for image_id in self._pictures],
                )
        self._pictures = {}
