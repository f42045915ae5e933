"""Pictures of samples with their targets, as training and validation load them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from gog_pose.data.annotations import CocoKeypoints
from gog_pose.data.datamodule import PoseDataModule
from gog_pose.data.sampler import CropKey
from gog_pose.data.samples import TrainingCrops, WholeImages
from gog_pose.drawing import contact_sheet, draw_ignored, draw_people
from gog_pose.imaging.preprocessing import Preprocessing
from gog_pose.maps.fields import Field
from gog_pose.maps.marks import TargetMarks
from gog_pose.maps.records import as_batch
from gog_pose.methods import load_method, method_of
from gog_pose.methods.method import Encoder
from gog_pose.methods.people import People
from gog_pose.skeleton import Skeleton

_CELL_WIDTH = 360  # px
_COLUMNS = 6  # approximate: each row contains whole samples


class _Attentive:
    """An encoder that stores the people it encodes, so that pictures show exactly these."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.stride, self.sigma = encoder.stride, encoder.sigma
        self.keypoints = np.zeros((0, encoder.skeleton.num_keypoints, 3), dtype=np.float32)

    @property
    def skeleton(self) -> Skeleton:
        return self.encoder.skeleton

    @cached_property
    def fields(self) -> Sequence[Field]:
        return self.encoder.fields

    def points(self, people: People) -> np.ndarray:
        return self.encoder.points(people)

    def marks(self, people: People, image_size: tuple[int, int], ignore: np.ndarray | None = None) -> TargetMarks:
        self.keypoints = people.keypoints
        return self.encoder.marks(people, image_size, ignore)

    def render(self, marks: TargetMarks) -> Any:
        return self.encoder.render(marks)


def training_sheet(data: PoseDataModule, images: CocoKeypoints, chosen: Sequence[int]) -> np.ndarray:
    """Draw augmented crops as in the first epoch of training on these images.

    Args:
        data: Its augmentation, encoder, preprocessing and seed define the crops.
        images: The split.
        chosen: Indices in ``images.with_labelled_people()``.

    Returns:
        ``(H, W, 3)`` uint8 RGB: for each crop its people with the ignored region in red, then the views of the method,
        such as heatmaps and guiding offsets.
    """
    encoder = _Attentive(data.encoder)
    crops = TrainingCrops(images, data.augmentation, encoder, data.preprocessing, encode=True, seed=data.seed)

    def load(item: int) -> tuple[Any, Any, int]:
        crop = crops[CropKey(epoch=0, item=item)]
        return crop.images, crop.targets, int(crop.image_ids)

    return _sheet(load, chosen, encoder, data.preprocessing)


def validation_sheet(data: PoseDataModule, images: CocoKeypoints, chosen: Sequence[int]) -> np.ndarray:
    """Draw whole images as in validation.

    Args:
        data: Its encoder and preprocessing define the samples.
        images: The split.
        chosen: Indices in ``images.with_labelled_people()``.

    Returns:
        ``(H, W, 3)`` uint8 RGB, as for ``training_sheet``.
    """
    encoder = _Attentive(data.encoder)
    whole = WholeImages(images, images.with_labelled_people(), encoder, data.preprocessing, data.multiple, encode=True)

    def load(item: int) -> tuple[Any, Any, int]:
        sample = whole[item]
        return sample.image, sample.targets, sample.image_id

    return _sheet(load, chosen, encoder, data.preprocessing)


def choose(images: CocoKeypoints, count: int, usable: np.ndarray, *, with_ignored: bool) -> list[int]:
    """Choose images spread evenly over a split.

    Args:
        images: The split.
        count: Largest number of images.
        usable: ``(N,)`` bool, images of the split that may be chosen.
        with_ignored: Choose only images with people that are not supervised: crowds and people without keypoints.

    Returns:
        Indices in ``images.with_labelled_people()``.
    """
    indices = images.with_labelled_people()
    places = [place for place, index in enumerate(indices) if usable[index]]
    if with_ignored:
        places = [place for place in places if not images.people(int(indices[place])).is_labelled.all()]
    picked = np.linspace(0, len(places) - 1, min(count, len(places))).round().astype(int)
    return [places[place] for place in picked]


def _sheet(
    load: Callable[[int], tuple[Any, Any, int]],
    chosen: Sequence[int],
    encoder: _Attentive,
    preprocessing: Preprocessing,
) -> np.ndarray:
    panels: list[np.ndarray] = []
    captions: list[str] = []
    views = load_method(method_of(encoder.encoder)).views
    for item in chosen:
        tensor, targets, image_id = load(item)
        image, keypoints, mask = preprocessing.to_image(tensor), encoder.keypoints, np.asarray(targets.mask[0])
        people = np.count_nonzero((keypoints[..., 2] > 0).any(axis=1))
        panels.append(draw_people(image, keypoints, encoder.skeleton))
        captions.append(f"image {image_id}, people {people}, ignored {1 - mask.mean():.1%}")
        for view in views.values():
            panel, caption = view.taught(image, as_batch(targets), keypoints, encoder.skeleton, encoder.stride)
            panels.append(panel)
            captions.append(caption)
        panels[-1 - len(views) :] = [draw_ignored(panel, mask) for panel in panels[-1 - len(views) :]]
    ratio = float(np.median([panel.shape[0] / panel.shape[1] for panel in panels]))
    columns = max(1, _COLUMNS // (1 + len(views))) * (1 + len(views))
    return contact_sheet(panels, columns, (round(ratio * _CELL_WIDTH), _CELL_WIDTH), captions)
