"""Pictures of a few fixed validation images per epoch, as PNG files and in loggers that support images."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytorch_lightning as pl
from pytorch_lightning.loggers import Logger

from gog_pose.data.samples import EvaluationSample
from gog_pose.drawing import contact_sheet, draw_ignored, draw_people, fit
from gog_pose.maps.records import as_batch
from gog_pose.methods import load_method
from gog_pose.methods.method import Maps
from gog_pose.system.files import made_folder, write_whole
from gog_pose.system.options import Count
from gog_pose.training.loggers import log_pictures
from gog_pose.training.module import PoseModule

_CELL_HW = (360, 480)  # px
_SIDES = ("ground truth", "prediction")

Pictures = dict[str, list[np.ndarray]]  # name of the view -> ground truth and prediction, (H, W, 3) uint8 RGB


class PicturedImage(NamedTuple):
    """The pictures of one image.

    Attributes:
        pictures: Ground truth and prediction per view.
        num_labelled: Number of people with labeled keypoints.
        num_found: Number of predicted people that were drawn.
    """

    pictures: Pictures
    num_labelled: int
    num_found: int


class PosePictures(pl.Callback):
    """Draws fixed validation images, spread evenly over the split, with ground truth beside prediction.

    ``epoch_0000.png`` shows the poses, ``epoch_0000_maps.png`` the views of the method, such as heatmaps and offsets,
    with one row per image. Loggers show them as ``val/poses``, ``val/heatmaps``, ``val/offsets``. Red stripes in the
    ground truth mark regions without supervision. Guiding offsets are read at annotated keypoints, so their errors are
    visible independently of the heatmaps.

    Args:
        folder: Folder of the files.
        num_images: Number of images.
        min_score: People below this score are not drawn.

    Attributes:
        images: Pictures of the last validation by image id.
    """

    def __init__(self, folder: str | Path, *, num_images: Count = 12, min_score: float = 0.25) -> None:
        self._folder = Path(folder)
        self._num_images = num_images
        self._min_score = min_score
        self.images: dict[int, PicturedImage] = {}

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Clear the pictures of the last epoch."""
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
        """Draw the image of this batch if it is one of the fixed images."""
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
        made_folder(self._folder, "callbacks.pictures.folder")
        self._write(f"epoch_{trainer.current_epoch:04d}.png", "poses")
        views = [kind for kind in next(iter(self.images.values())).pictures if kind != "poses"]
        self._write(f"epoch_{trainer.current_epoch:04d}_maps.png", *views)
        for logger in trainer.loggers:
            self._log(logger, trainer.global_step)

    def _draw(self, sample: EvaluationSample, maps: Maps, module: PoseModule) -> PicturedImage:
        image, keypoints = module.preprocessing.to_image(sample.image), sample.keypoints.cpu().numpy()
        skeleton, stride, targets = module.network.skeleton, module.network.stride, as_batch(sample.targets)
        poses = module.decoder(maps)[0].above(self._min_score)
        mask = np.asarray(targets.mask[0, 0].cpu())
        pictures = {
            "poses": [
                draw_people(image, keypoints, skeleton),
                draw_people(image, poses.keypoints, skeleton, poses.inferred),
            ]
        }
        for name, view in load_method(module.network.method).views.items():
            truth, prediction = (
                view.predicted(image, of, keypoints, skeleton, stride) for of in (targets.as_maps(), maps)
            )
            pictures[name] = [draw_ignored(truth, mask), prediction]
        fitted = {kind: [fit(picture, _CELL_HW) for picture in pair] for kind, pair in pictures.items()}
        return PicturedImage(fitted, num_labelled=len(keypoints), num_found=len(poses))

    def _write(self, name: str, *kinds: str) -> None:
        shown = [
            (image_id, kind) for image_id, image in self.images.items() for kind in kinds if kind in image.pictures
        ]
        cells = [picture for image_id, kind in shown for picture in self.images[image_id].pictures[kind]]
        captions = [f"{image_id} {kind}: {side}" for image_id, kind in shown for side in _SIDES]
        sheet = contact_sheet(cells, 4, _CELL_HW, captions)
        # OpenCV's default compression is faster, but the files are twice as large.
        _, content = cv2.imencode(".png", sheet[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 3])
        write_whole(self._folder / name, content.tobytes())

    def _log(self, logger: Logger, step: int) -> None:
        image_ids = [str(image_id) for image_id in self.images]
        for kind in next(iter(self.images.values())).pictures:
            pairs = [contact_sheet(image.pictures[kind], 2, _CELL_HW, _SIDES) for image in self.images.values()]
            log_pictures(logger, f"val/{kind}", pairs, image_ids, step)
