"""Pictures of what a network is taught: samples as training and validation load them, with their targets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gog_pose.data.coco import CocoKeypoints
from gog_pose.data.datamodule import PoseDataModule
from gog_pose.data.dataset import TrainingCrops, WholeImages
from gog_pose.data.sampler import CropDraw
from gog_pose.drawing import contact_sheet, draw_ground_truth, draw_heatmaps, draw_ignored, draw_taught_offsets
from gog_pose.encoding import PoseEncoder
from gog_pose.interfaces import Encoder
from gog_pose.preprocessing import Preprocessing
from gog_pose.records import People, PoseTargets, TargetMarks

_PANELS = 3  # a sample
_SAMPLES_A_ROW = 2
_CELL_WIDTH = 360  # px


class _Attentive(PoseEncoder):
    """An encoder that remembers the people it was given, so that what is drawn is what was encoded."""

    def __init__(self, encoder: Encoder) -> None:
        assert isinstance(encoder, PoseEncoder)  # whose targets are what the panels show
        vars(self).update(vars(encoder))
        self.keypoints = np.zeros((0, encoder.skeleton.num_keypoints, 3), dtype=np.float32)

    def marks(self, people: People, image_size: tuple[int, int], ignore: np.ndarray | None = None) -> TargetMarks:
        self.keypoints = people.keypoints
        return super().marks(people, image_size, ignore)


def training_sheet(data: PoseDataModule, images: CocoKeypoints, chosen: Sequence[int]) -> np.ndarray:
    """Draw augmented crops, each as in the first epoch of training on these images.

    Args:
        data: Its augmentation, encoder, preprocessing and seed make the crops.
        images: The split.
        chosen: Places in ``images.with_labelled_people()``.

    Returns:
        ``(H, W, 3)`` uint8 RGB: for each crop its people and, red, what is ignored; its heatmaps; its guiding offsets.
    """
    encoder = _Attentive(data.encoder)
    crops = TrainingCrops(images, data.augmentation, encoder, data.preprocessing, encode=True, seed=data.seed)

    def load(item: int) -> tuple[Any, PoseTargets, int]:
        crop = crops[CropDraw(epoch=0, item=item)]
        assert isinstance(crop.targets, PoseTargets)
        return crop.images, crop.targets, int(crop.image_ids)

    return _sheet(load, chosen, encoder, data.preprocessing)


def validation_sheet(data: PoseDataModule, images: CocoKeypoints, chosen: Sequence[int]) -> np.ndarray:
    """Draw whole images as validation sees them.

    Args:
        data: Its encoder and preprocessing make the samples.
        images: The split.
        chosen: Places in ``images.with_labelled_people()``.

    Returns:
        ``(H, W, 3)`` uint8 RGB, as of ``training_sheet``.
    """
    encoder = _Attentive(data.encoder)
    whole = WholeImages(images, images.with_labelled_people(), encoder, data.preprocessing, data.multiple, encode=True)

    def load(item: int) -> tuple[Any, PoseTargets, int]:
        sample = whole[item]
        assert isinstance(sample.targets, PoseTargets)
        return sample.image, sample.targets, sample.image_id

    return _sheet(load, chosen, encoder, data.preprocessing)


def choose(images: CocoKeypoints, count: int, usable: np.ndarray, *, with_ignored: bool) -> list[int]:
    """Choose images spread evenly over a split.

    Args:
        images: The split.
        count: How many; fewer where there are fewer.
        usable: ``(N,)`` bool, which images of the split may be chosen.
        with_ignored: Only those with people that are not supervised: crowds and people without keypoints.

    Returns:
        Places in ``images.with_labelled_people()``.
    """
    indices = images.with_labelled_people()
    places = [place for place, index in enumerate(indices) if usable[index]]
    if with_ignored:
        places = [place for place in places if not images.people(int(indices[place])).is_labelled.all()]
    picked = np.linspace(0, len(places) - 1, min(count, len(places))).round().astype(int)
    return [places[place] for place in picked]


def _sheet(
    load: Callable[[int], tuple[Any, PoseTargets, int]],
    chosen: Sequence[int],
    encoder: _Attentive,
    preprocessing: Preprocessing,
) -> np.ndarray:
    panels: list[np.ndarray] = []
    captions: list[str] = []
    for item in chosen:
        tensor, targets, image_id = load(item)
        image, keypoints = preprocessing.to_image(tensor), encoder.keypoints
        mask, heatmaps = np.asarray(targets.mask[0]), np.asarray(targets.heatmaps)
        offsets, weights = np.asarray(targets.offsets), np.asarray(targets.offset_weights)
        panels += [
            draw_ignored(draw_ground_truth(image, keypoints, encoder.skeleton), mask),
            draw_ignored(draw_heatmaps(image, heatmaps, encoder.skeleton), mask),
            draw_ignored(draw_taught_offsets(image, offsets, weights, encoder.skeleton, encoder.stride), mask),
        ]
        labelled = keypoints[..., 2] > 0
        captions += [
            f"image {image_id}, people {labelled.any(axis=1).sum()}, ignored {1 - mask.mean():.1%}",
            f"keypoints {labelled.sum()}",
            f"limbs {weights.any(axis=(1, 2)).sum()} of {encoder.skeleton.num_limbs}",
        ]
    ratio = float(np.median([panel.shape[0] / panel.shape[1] for panel in panels]))
    return contact_sheet(panels, _PANELS * _SAMPLES_A_ROW, (round(ratio * _CELL_WIDTH), _CELL_WIDTH), captions)
