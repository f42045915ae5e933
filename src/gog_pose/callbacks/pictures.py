"""Pictures of the same few validation images, epoch by epoch: PNGs each time, and W&B images where W&B is on."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import WandbLogger

from gog_pose.data.dataset import EvaluationSample
from gog_pose.drawing import contact_sheet, draw_ground_truth, draw_heatmaps, draw_offsets, draw_poses, fit
from gog_pose.interfaces import Maps
from gog_pose.module import PoseModule
from gog_pose.records import PoseMaps, PoseTargets, TargetMarks

_CELL_HW = (360, 480)  # px
_SIDES = ("ground truth", "prediction")

Pictures = dict[str, list[np.ndarray]]  # what is shown -> ground truth and prediction, (H, W, 3) uint8 RGB


class PicturedImage(NamedTuple):
    """One image.

    Attributes:
        pictures: What is shown of it.
        num_labelled: Its people with keypoints.
        num_found: People that were drawn.
    """

    pictures: Pictures
    num_labelled: int
    num_found: int


class PosePictures(pl.Callback):
    """Draws fixed validation images, spread evenly over the split, with ground truth beside prediction.

    ``epoch_0000.png`` and its successors hold the poses, ``epoch_0000_maps.png`` heatmaps and offsets, a row an image;
    W&B has them as ``val/poses``, ``val/heatmaps`` and ``val/offsets``. The network's offsets are read where keypoints
    are annotated: what is wrong with them shows whatever the heatmaps are like. Guiding offsets only are drawn: there
    are no pictures of offsets for ``grouping=center``.

    Args:
        folder: Where the files go.
        num_images: How many images.
        min_score: People below this score are not drawn.

    Attributes:
        images: By id, those of the last validation.
    """

    def __init__(self, folder: str | Path, *, num_images: int = 12, min_score: float = 0.25) -> None:
        self._folder = Path(folder)
        self._num_images = num_images
        self._min_score = min_score
        self.images: dict[int, PicturedImage] = {}

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Forget the last epoch."""
        self.images = {}

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
        if len(self.images) == self._num_images:
            return
        assert isinstance(pl_module, PoseModule)
        self.images[int(batch[0].image_id)] = self._draw(batch[0], outputs[0], pl_module)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the pictures of this epoch."""
        if not self.images:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        self._write(f"epoch_{trainer.current_epoch:04d}.png", "poses")
        self._write(f"epoch_{trainer.current_epoch:04d}_maps.png", "heatmaps", "offsets")
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                self._log(logger, trainer.global_step)

    def _draw(self, sample: EvaluationSample, maps: Maps, module: PoseModule) -> PicturedImage:
        image, keypoints = module.preprocessing.to_image(sample.image), sample.keypoints.cpu().numpy()
        skeleton, stride, targets = module.network.skeleton, module.network.stride, sample.targets
        assert not isinstance(targets, TargetMarks)
        poses = module.decoder(maps)[0].above(self._min_score)
        pictures = {
            "poses": [draw_ground_truth(image, keypoints, skeleton), draw_poses(image, poses, skeleton)],
            "heatmaps": [
                draw_heatmaps(image, _array(targets.heatmaps), skeleton, _array(targets.mask[0])),
                draw_heatmaps(image, _array(maps.heatmaps[0]), skeleton),
            ],
        }
        if isinstance(targets, PoseTargets) and isinstance(maps, PoseMaps):
            pictures["offsets"] = [
                draw_offsets(image, _array(offsets), keypoints, skeleton, stride)
                for offsets in (targets.offsets, maps.offsets[0])
            ]
        fitted = {kind: [fit(picture, _CELL_HW) for picture in pair] for kind, pair in pictures.items()}
        return PicturedImage(fitted, num_labelled=len(keypoints), num_found=len(poses))

    def _write(self, name: str, *kinds: str) -> None:
        shown = [
            (image_id, kind) for image_id, image in self.images.items() for kind in kinds if kind in image.pictures
        ]
        cells = [picture for image_id, kind in shown for picture in self.images[image_id].pictures[kind]]
        captions = [f"{image_id} {kind}: {side}" for image_id, kind in shown for side in _SIDES]
        sheet = contact_sheet(cells, 4, _CELL_HW, captions)
        # OpenCV's default, made for speed, takes twice the bytes.
        cv2.imwrite(str(self._folder / name), sheet[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 3])

    def _log(self, logger: WandbLogger, step: int) -> None:
        image_ids = [str(image_id) for image_id in self.images]
        jpeg = ["jpg"] * len(image_ids)  # a quarter of the bytes of PNG, epoch after epoch
        for kind in next(iter(self.images.values())).pictures:
            pairs = [contact_sheet(image.pictures[kind], 2, _CELL_HW, _SIDES) for image in self.images.values()]
            logger.log_image(f"val/{kind}", pairs, step=step, caption=image_ids, file_type=jpeg)


def _array(tensor: torch.Tensor) -> np.ndarray:
    return np.asarray(tensor.float().cpu())
