"""COCO's AP per keypoint type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pycocotools.coco import COCO

from gog_pose.evaluation.errors.keypoint_errors import similarities
from gog_pose.evaluation.errors.precision import Detected, box_similarities, match
from gog_pose.evaluation.oks import OKS_THRESHOLDS
from gog_pose.skeleton import Skeleton

_RECALLS = np.linspace(0, 1, 101)  # recalls at which COCO samples the precision
_NUM_THRESHOLDS = len(OKS_THRESHOLDS)


def type_precisions(truth: COCO, detected: Sequence[Detected], skeleton: Skeleton) -> dict[str, float]:
    """Return the AP of each keypoint type: COCO's AP computed as if only keypoints of this type were labeled.

    The OKS of a detection and a person is then the similarity of this one keypoint. A person whose keypoint of this
    type is not labeled does not count, nor does a detection near the box of such a person (COCO's rule for people
    without keypoints). Detections are ranked by the score of the whole person. COCO's program does not support absent
    keypoints, so a keypoint that a detection lacks is evaluated at x = y = 0 and usually counts as a false positive.

    Args:
        truth: The annotations.
        detected: The detections of each image, in ascending order of image id.
        skeleton: Names and OKS sigmas of the types.

    Returns:
        AP by name of the type, as a fraction of 1; nan if no keypoint of the type is labeled.
    """
    images = [_matched(truth.imgToAnns[image.image_id], image.places, skeleton) for image in detected]
    is_right = np.concatenate([image[0] for image in images], axis=2)
    is_ignored = np.concatenate([image[1] for image in images], axis=2)
    people = np.sum([image[2] for image in images], axis=0)
    order = np.argsort(-np.concatenate([image.scores for image in detected]), kind="stable")
    return {
        name: _average_precision(is_right[index][:, order], is_ignored[index][:, order], int(people[index]))
        for index, name in enumerate(skeleton.keypoints)
    }


def _matched(
    annotated: Sequence[Mapping[str, Any]], places: np.ndarray, skeleton: Skeleton
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Match the detections of an image, ``(D, K, 2)`` px, separately for each type and OKS threshold.

    Returns:
        ``(K, T, D)`` True for detections that match a person who counts; ``(K, T, D)`` True for detections that match
        a person who does not count; ``(K,)`` the number of people who count.
    """
    count = skeleton.num_keypoints
    labels = np.array([person["keypoints"] for person in annotated], dtype=np.float64).reshape(-1, count, 3)
    areas = np.array([person["area"] for person in annotated], dtype=np.float64)
    boxes = np.array([person["bbox"] for person in annotated], dtype=np.float64).reshape(-1, 4)
    crowds = np.array([person["iscrowd"] for person in annotated], dtype=bool)
    is_labeled = labels[..., 2] > 0  # (P, K)
    near_box = box_similarities(places, boxes, areas, skeleton)
    oks = np.where(is_labeled, similarities(places, labels, areas, skeleton), near_box[..., None])  # (D, P, K)
    ignored = (~is_labeled | crowds[:, None]).T  # (K, P)

    thresholds = np.tile(OKS_THRESHOLDS, count)  # all thresholds for the first type, then for the second, ...
    rows = np.repeat(oks.transpose(2, 0, 1), _NUM_THRESHOLDS, axis=0)
    partners = match(rows, np.repeat(ignored, _NUM_THRESHOLDS, axis=0), crowds, thresholds)
    partners = partners.reshape(count, _NUM_THRESHOLDS, len(places))
    of_ignored = np.zeros_like(partners, dtype=bool)
    types = np.nonzero(partners >= 0)[0]
    of_ignored[partners >= 0] = ignored[types, partners[partners >= 0]]
    return (partners >= 0) & ~of_ignored, of_ignored, (~ignored).sum(axis=1)


def _average_precision(is_right: np.ndarray, is_ignored: np.ndarray, people: int) -> float:
    """Return the interpolated precision, averaged over OKS thresholds and COCO's 101 recalls.

    Args:
        is_right: ``(T, D)``, in order of decreasing score.
        is_ignored: ``(T, D)``.
        people: Number of people who count.
    """
    if not people:
        return float("nan")
    found = []
    for right, ignored in zip(is_right, is_ignored, strict=True):
        hits = np.cumsum(right[~ignored])
        precision = hits / np.arange(1, len(hits) + 1)
        highest = np.maximum.accumulate(precision[::-1])[::-1]
        places = np.searchsorted(hits / people, _RECALLS)
        found.append(np.append(highest, 0)[places].mean())  # 0 at recalls that are not reached
    return float(np.mean(found))
