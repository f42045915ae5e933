"""Datasets: training crops with targets, and whole images for evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset

from gog_pose import geometry
from gog_pose.data.annotations import CocoKeypoints
from gog_pose.data.augmentation import Augmentation, Warp, warp_boxes, warp_image, warp_keypoints, warp_mask
from gog_pose.data.sampler import CropKey
from gog_pose.errors import InputError
from gog_pose.imaging.letterbox import prepare_image
from gog_pose.imaging.preprocessing import Preprocessing
from gog_pose.maps.marks import TargetMarks
from gog_pose.maps.records import image_of
from gog_pose.methods.method import Encoder
from gog_pose.methods.people import People

_MOST_IN_A_ROW = 100  # corrupt images


class PoseBatch(NamedTuple):
    """Training crops with their targets; one sample without the batch dimension.

    Attributes:
        images: ``(B, 3, H, W)`` normalized float32.
        targets: Targets with a leading batch dimension; the marks to render them from where the device does that,
            until the batch is there.
        image_ids: ``(B,)`` int64, where each crop comes from.
        corrupt: One message for each image that could not be read and was replaced.
    """

    images: torch.Tensor
    targets: Any
    image_ids: torch.Tensor
    corrupt: tuple[str, ...] = ()


class EvaluationSample(NamedTuple):
    """One whole image, letterboxed.

    Attributes:
        image: ``(3, H, W)`` normalized float32, sides multiples of the network's largest stride.
        targets: Targets of the image, for the validation loss; or its marks, as in ``PoseBatch``.
        keypoints: ``(P, K, 3)`` float32 of the people with any: x, y (px, network input) and COCO visibility.
        matrix: ``(3, 3)`` float64, px of the original image -> px of the network input.
        image_id: COCO's id of the image.
    """

    image: torch.Tensor
    targets: Any
    keypoints: torch.Tensor
    matrix: torch.Tensor
    image_id: int


class TrainingCrops(Dataset[PoseBatch]):
    """Augmented crops around labelled people, one an image with any, with targets.

    A corrupt image is replaced by the next readable one, using the corrupt image's random draw, so crops stay
    reproducible. The crop differs from the one that the epoch has of the next image.

    Args:
        images: The annotations.
        augmentation: Draws warps and changes colors.
        encoder: Draws targets.
        preprocessing: Normalizes pixels.
        limit: Use only the first so many images; all where it is None.
        exclude: Ids of images that are left out.
        encode: Whether samples have targets, or only the marks that ``encoder.render`` makes targets of.
        max_corrupt: Share of the images, below 1, that may be corrupt in a row; a hundred always may.
        seed: Of everything random about the crops.
    """

    def __init__(
        self,
        images: CocoKeypoints,
        augmentation: Augmentation,
        encoder: Encoder,
        preprocessing: Preprocessing,
        limit: int | None = None,
        *,
        exclude: Sequence[int] = (),
        encode: bool = True,
        max_corrupt: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.images = images
        self.augmentation = augmentation
        self.encoder = encoder
        self.preprocessing = preprocessing
        labelled = images.with_labelled_people()
        self.indices = labelled[~np.isin(images.image_ids[labelled], exclude)][:limit]
        self._renders_targets = encode
        self._max_corrupt = max_corrupt
        self.seed = seed

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, key: CropKey) -> PoseBatch:
        index, image, corrupt = self._readable(key.item)
        random = key.random(self.seed)
        warp = self.sample_warp(index, image.shape[:2], random)
        crop = warp_image(image, warp.matrix, self.augmentation.crop_size, self.preprocessing.border_rgb)
        tensor = self.preprocessing.to_tensor(self.augmentation.change_color(crop, random))
        image_id = torch.tensor(self.images.image_ids[index])
        return PoseBatch(tensor, self.encode(index, warp), image_id, tuple(corrupt))

    def sample_warp(self, index: int, image_hw: tuple[int, int], random: np.random.Generator) -> Warp:
        """Draw one of the labelled people of an image and a warp around the middle of its labelled keypoints."""
        people = self.images.people(index)
        keypoints = people.keypoints[people.is_labelled]
        chosen = keypoints[random.integers(len(keypoints))]
        labelled = chosen[chosen[:, 2] > 0, :2]
        return self.augmentation.sample_warp(image_hw, (labelled.min(axis=0) + labelled.max(axis=0)) / 2, random)

    def encode(self, index: int, warp: Warp) -> Any:
        """Return the targets of the crop that a warp makes of an image, or its marks."""
        _, marks = _warped_people(self.images, index, self.encoder, warp, self.augmentation.crop_size)
        return image_of(self.encoder.render(marks), 0) if self._renders_targets else marks

    def _readable(self, item: int) -> tuple[int, np.ndarray, list[str]]:
        """Return the first image from an item on that can be read: its index, its pixels, what is wrong with others.

        The data module enforces the limit, because one process sees only its own share of the corrupt images.

        Raises:
            InputError: Too many in a row cannot; this is what is wrong with the last.
        """
        corrupt: list[str] = []
        most = min(max(_MOST_IN_A_ROW, self._max_corrupt * len(self)), len(self) - 1)
        while True:
            index = int(self.indices[(item + len(corrupt)) % len(self)])
            try:
                return index, self.images.read_image(index), corrupt
            except InputError as error:
                corrupt.append(str(error))
                if len(corrupt) > most:
                    raise


class WholeImages(Dataset[EvaluationSample]):
    """Images as they are evaluated: letterboxed, not augmented.

    Args:
        images: The annotations.
        indices: Which of the images.
        encoder: Draws the targets of the validation loss.
        preprocessing: Sets the input size and normalizes pixels.
        multiple: Both sides of an input become multiples of this, px.
        encode: Whether samples have targets, or only the marks that ``encoder.render`` makes targets of.
    """

    def __init__(
        self,
        images: CocoKeypoints,
        indices: np.ndarray,
        encoder: Encoder,
        preprocessing: Preprocessing,
        multiple: int,
        encode: bool = True,
    ) -> None:
        self._images = images
        self._indices = indices
        self._encoder = encoder
        self._preprocessing = preprocessing
        self._multiple = multiple
        self._encode = encode

    @property
    def image_ids(self) -> list[int]:
        """COCO's ids of the images, in order."""
        return [int(image_id) for image_id in self._images.image_ids[self._indices]]

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, item: int) -> EvaluationSample:
        index = int(self._indices[item])
        prepared = prepare_image(self._images.read_image(index), self._preprocessing, self._multiple)
        size = (prepared.tensor.shape[1], prepared.tensor.shape[2])
        warp = Warp(prepared.matrix, flipped=False)
        keypoints, marks = _warped_people(self._images, index, self._encoder, warp, size)
        targets = image_of(self._encoder.render(marks), 0) if self._encode else marks
        image_id = int(self._images.image_ids[index])
        return EvaluationSample(
            prepared.tensor, targets, torch.from_numpy(keypoints), torch.from_numpy(prepared.matrix), image_id
        )


def _warped_people(
    images: CocoKeypoints, index: int, encoder: Encoder, warp: Warp, size: tuple[int, int]
) -> tuple[np.ndarray, TargetMarks]:
    """Return the keypoints of the labelled people of a warped image, ``(P, K, 3)``, and the marks of its targets."""
    people = images.people(index)
    labelled = people.is_labelled
    keypoints = warp_keypoints(people.keypoints[labelled], warp, size, encoder.skeleton)
    boxes = people.boxes[labelled]
    warped = People(keypoints, person_scales(boxes, warp.matrix), warp_boxes(boxes, warp.matrix, size))
    return keypoints, encoder.marks(warped, size, _warped_ignore(images, index, warp.matrix, size))


def _warped_ignore(images: CocoKeypoints, index: int, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray | None:
    """Return what to ignore after a warp, ``(H, W)`` bool; None where it is nothing, as in most images."""
    ignored = images.ignore_mask(index)
    return warp_mask(ignored, matrix, size) if ignored.any() else None


def person_scales(boxes: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return the root of each box's area after a warp, ``(P,)`` px: the individual scale of Sec. 2.5."""
    return np.asarray(np.sqrt(boxes[:, 2] * boxes[:, 3]) * geometry.area_scale(matrix), dtype=np.float32)
