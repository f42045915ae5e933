"""Plain implementation of training crops: OpenCV, NumPy, a loop over people, whole arrays between processes.

It makes the crops of ``TrainingCrops`` with little code and is the reference for the data pipeline.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from torch.utils.data import Dataset

from gog_pose.data.augmentation import Warp, warp_keypoints, warp_mask
from gog_pose.data.sampler import CropKey
from gog_pose.data.samples import TrainingCrops, person_scales
from gog_pose.methods.method import Reference


class PlainCrop(NamedTuple):
    """One crop with whole targets, as arrays.

    Attributes:
        image: ``(3, H, W)`` normalized float32.
        targets: The targets named by ``Reference.targets``.
        mask: ``(1, h, w)`` 1 = supervised, 0 = ignored.
    """

    image: np.ndarray
    targets: tuple[np.ndarray, ...]
    mask: np.ndarray


class PlainCrops(Dataset[PlainCrop]):
    """The crops of another data set, without its blur before a strong reduction.

    Args:
        crops: The other data set.
        reference: Reference implementations of the encoder's method.
    """

    def __init__(self, crops: TrainingCrops, reference: Reference) -> None:
        self.crops = crops
        self.reference = reference

    def __len__(self) -> int:
        return len(self.crops)

    def __getitem__(self, key: CropKey) -> PlainCrop:
        crops, index = self.crops, int(self.crops.indices[key.item])
        random = key.random(crops.seed)
        image = self.decode(crops.images.image_path(index).read_bytes())
        warp = crops.sample_warp(index, image.shape[:2], random)
        crop = crops.augmentation.change_color(self.warp(image, warp), random)
        return PlainCrop(self.normalize(crop), *self.encode(index, warp))

    def decode(self, content: bytes) -> np.ndarray:
        """Decode the bytes of a file to ``(H, W, 3)`` uint8 RGB."""
        flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
        return np.asarray(cv2.cvtColor(cv2.imdecode(np.frombuffer(content, np.uint8), flags), cv2.COLOR_BGR2RGB))

    def warp(self, image: np.ndarray, warp: Warp) -> np.ndarray:
        """Return the crop of an image."""
        height, width = self.crops.augmentation.crop_size
        border = self.crops.preprocessing.border_rgb
        return np.asarray(cv2.warpAffine(image, warp.matrix[:2], (width, height), borderValue=border))

    def normalize(self, crop: np.ndarray) -> np.ndarray:
        """Return the network input, ``(3, H, W)`` float32."""
        how = self.crops.preprocessing
        channels = crop if how.channel_order == "rgb" else crop[..., ::-1]
        mean, std = np.array(how.mean, dtype=np.float32), np.array(how.std, dtype=np.float32)
        return np.ascontiguousarray(((channels.astype(np.float32) / 255 - mean) / std).transpose(2, 0, 1))

    def encode(self, index: int, warp: Warp) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
        """Return the targets and the mask."""
        images, size, encoder = self.crops.images, self.crops.augmentation.crop_size, self.crops.encoder
        people = images.people(index)
        labelled = people.is_labelled
        targets = self.reference.encode(
            encoder,
            warp_keypoints(people.keypoints[labelled], warp, size, encoder.skeleton),
            person_scales(people.boxes[labelled], warp.matrix),
            size,
        )
        ignored = warp_mask(images.ignore_mask(index), warp.matrix, size)
        cells = ignored.reshape(size[0] // encoder.stride, encoder.stride, size[1] // encoder.stride, encoder.stride)
        return targets, (cells.mean(axis=(1, 3)) <= 0.5).astype(np.float32)[None]
