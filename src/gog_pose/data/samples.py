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
        targets: Targets with a leading batch dimension; or, until the batch is on the device that renders them, their
            marks.
        image_ids: ``(B,)`` int64 id of the image of each crop.
        corrupt: One message per corrupt image that was replaced.
    """

    images: torch.Tensor
    targets: Any
    image_ids: torch.Tensor
    corrupt: tuple[str, ...] = ()


class EvaluationSample(NamedTuple):
    """One whole image, letterboxed.

    Attributes:
        image: ``(3, H, W)`` normalized float32, sides multiples of the network's largest stride.
        targets: Targets of the image for the validation loss; or its marks, as in ``PoseBatch``.
        keypoints: ``(P, K, 3)`` float32 of people with labeled keypoints: x, y (px, network input), COCO visibility.
        matrix: ``(3, 3)`` float64, px of the original image -> px of the network input.
        image_id: COCO's id of the image.
    """

    image: torch.Tensor
    targets: Any
    keypoints: torch.Tensor
    matrix: torch.Tensor
    image_id: int


class TrainingCrops(Dataset[PoseBatch]):
    """Augmented crops around labeled people with their targets, one crop per image with labeled people.

    A corrupt image is replaced by the next readable one. The crop uses the random numbers of the corrupt image, so that
    crops stay reproducible and the same image gives two different crops in the epoch.

    Args:
        images: The annotations.
        augmentation: Samples warps and changes colors.
        encoder: Renders targets.
        preprocessing: Normalizes pixels.
        limit: Largest number of images, the first ones; None = all.
        exclude: Ids of images that are left out.
        encode: Whether samples contain targets, or only the marks from which ``encoder.render`` renders them.
        max_corrupt: Largest share of the images that may be corrupt in a row, below 1; 100 images always may.
        seed: Seed of all random choices of the crops.
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
        """Sample a labeled person of an image and a warp around the center of the person's labeled keypoints."""
        people = self.images.people(index)
        keypoints = people.keypoints[people.is_labelled]
        chosen = keypoints[random.integers(len(keypoints))]
        labelled = chosen[chosen[:, 2] > 0, :2]
        return self.augmentation.sample_warp(image_hw, (labelled.min(axis=0) + labelled.max(axis=0)) / 2, random)

    def encode(self, index: int, warp: Warp) -> Any:
        """Return the targets, or the marks, of the crop of an image by a warp."""
        _, marks = _warped_people(self.images, index, self.encoder, warp, self.augmentation.crop_size)
        return image_of(self.encoder.render(marks), 0) if self._renders_targets else marks

    def _readable(self, item: int) -> tuple[int, np.ndarray, list[str]]:
        """Return the first readable image from an item on: its index, its pixels and the errors of those before it.

        The data module enforces ``max_corrupt`` of an epoch, because each process sees only a part of the images.

        Raises:
            InputError: Too many images in a row are corrupt; the error is that of the last one.
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
    """Whole images for evaluation: letterboxed, not augmented.

    Args:
        images: The annotations.
        indices: Indices of the images to use.
        encoder: Renders the targets of the validation loss.
        preprocessing: Sets the input size and normalizes pixels.
        multiple: Both sides of an input become multiples of this, px.
        encode: Whether samples contain targets, or only the marks from which ``encoder.render`` renders them.
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
        """COCO's image ids in the order of the samples."""
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
    """Return the keypoints of the labeled people of a warped image, ``(P, K, 3)``, and the marks of its targets."""
    people = images.people(index)
    labelled = people.is_labelled
    keypoints = warp_keypoints(people.keypoints[labelled], warp, size, encoder.skeleton)
    boxes = people.boxes[labelled]
    warped = People(keypoints, person_scales(boxes, warp.matrix), warp_boxes(boxes, warp.matrix, size))
    return keypoints, encoder.marks(warped, size, _warped_ignore(images, index, warp.matrix, size))


def _warped_ignore(images: CocoKeypoints, index: int, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray | None:
    """Return the ignored region after a warp, ``(H, W)`` bool; None if it is empty, as in most images."""
    ignored = images.ignore_mask(index)
    return warp_mask(ignored, matrix, size) if ignored.any() else None


def person_scales(boxes: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return the square root of each box's area after a warp, ``(P,)`` px: the individual scale of Sec. 2.5."""
    return np.asarray(np.sqrt(boxes[:, 2] * boxes[:, 3]) * geometry.area_scale(matrix), dtype=np.float32)
