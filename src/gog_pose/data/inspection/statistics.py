"""Statistics of a split: people, keypoints, scales and crowding."""

from __future__ import annotations

from typing import Any

import numpy as np

from gog_pose.data.annotations import CocoKeypoints
from gog_pose.skeleton import Skeleton

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
_OVERLAPS = (0.1, 0.3, 0.5)  # intersection over union of boxes


def summarize_split(images: CocoKeypoints, skeleton: Skeleton, long_side: int) -> dict[str, Any]:
    """Count the people and keypoints of a split.

    Args:
        images: The split.
        skeleton: Names of the keypoints.
        long_side: Length of the long side of images at evaluation, px, for the scales at this size.

    Returns:
        Numbers of images and people; numbers of ``labelled`` and ``visible`` keypoints per type; and quantiles
        (``QUANTILES``) over labeled people of their scale (square root of the box area, px of the original image and of
        the network input at evaluation), of their number of labeled keypoints, of their number per image with any, and
        of their largest overlap with another person (intersection over union of boxes).
    """
    all_people = [images.people(index) for index in range(len(images))]
    labelled = [people.is_labelled for people in all_people]
    per_image = np.array([mask.sum() for mask in labelled], dtype=np.int64)
    boxes = [people.boxes[mask] for people, mask in zip(all_people, labelled, strict=True)]
    keypoints = np.concatenate(
        [people.keypoints[mask] for people, mask in zip(all_people, labelled, strict=True)]
        or [np.zeros((0, skeleton.num_keypoints, 3), dtype=np.float32)]
    )
    crowds = sum(int(people.is_crowd.sum()) for people in all_people)
    annotated = sum(len(people.boxes) for people in all_people)
    scales = [np.sqrt(np.maximum(own[:, 2] * own[:, 3], 0)) for own in boxes]
    resized = [own * long_side / max(size) for own, size in zip(scales, images.sizes.tolist(), strict=True)]
    overlaps = np.concatenate([_largest_overlaps(own) for own in boxes] or [np.zeros(0)])
    return {
        "images": len(images),
        "images_with_labelled_people": int((per_image > 0).sum()),
        "images_without_people": len(images) - len(images.with_people()),
        "people": annotated - crowds,
        "labelled_people": len(keypoints),
        "crowds": crowds,
        "keypoints": {
            name: {"labelled": int((seen > 0).sum()), "visible": int((seen == 2).sum())}
            for name, seen in zip(skeleton.keypoints, keypoints[..., 2].T, strict=True)
        },
        "labelled_keypoints_of_a_person": _quantiles((keypoints[..., 2] > 0).sum(axis=1)),
        "scale": _quantiles(np.concatenate(scales or [np.zeros(0)])),
        "scale_at_evaluation": _quantiles(np.concatenate(resized or [np.zeros(0)])),
        "labelled_people_of_an_image": _quantiles(per_image[per_image > 0]),
        "overlap": _quantiles(overlaps),
        "share_of_people_overlapping": {str(least): _share(overlaps > least) for least in _OVERLAPS},
    }


def _largest_overlaps(boxes: np.ndarray) -> np.ndarray:
    """Return the largest intersection over union of each of ``(P, 4)`` boxes with another one, ``(P,)``."""
    near, far = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    sides = np.minimum(far[:, None], far) - np.maximum(near[:, None], near)
    shared = sides.clip(0).prod(axis=-1)
    np.fill_diagonal(shared, 0)
    areas = boxes[:, 2:].clip(0).prod(axis=-1)
    union = areas[:, None] + areas - shared
    return np.asarray((shared / np.maximum(union, 1e-9)).max(axis=1, initial=0))


def _quantiles(values: np.ndarray) -> list[float] | None:
    """Return the ``QUANTILES`` of values; None if there are no values."""
    return [float(value) for value in np.quantile(values, QUANTILES)] if len(values) else None


def _share(holds: np.ndarray) -> float:
    return float(holds.mean()) if len(holds) else 0.0
