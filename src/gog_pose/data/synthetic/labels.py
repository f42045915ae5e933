"""Annotations in COCO's format, derived from the canvas' buffer of the part at each pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from gog_pose.data.synthetic.chance import pick
from gog_pose.data.synthetic.person import PART_BITS, Keypoint, Person, part_id
from gog_pose.skeleton import load_skeleton

KEYPOINT_NAMES = load_skeleton("coco_19").keypoints

Annotation = dict[str, Any]

_FARTHEST_GUESS = 0.5  # longer sides of a box: no labeled keypoint of COCO val2017 is farther outside its box


def person_mask(ids: np.ndarray, index: int) -> np.ndarray:
    """Return the visible pixels of a person, ``(H, W)`` bool."""
    return np.asarray(ids >> PART_BITS == index + 1)


def person_annotation(
    rng: np.random.Generator, ids: np.ndarray, person: Person, index: int, mask: np.ndarray, *, with_keypoints: bool
) -> Annotation:
    """Annotate one person.

    Args:
        rng: Random number generator, which decides which covered keypoints are labeled as if guessed by an annotator.
        ids: ``(H, W)`` the canvas' buffer of the finished scene.
        person: The person, for the positions of the keypoints.
        index: The person's index in ``ids``.
        mask: ``(H, W)`` bool, visible pixels of the person; not empty.
        with_keypoints: Whether to annotate keypoints in addition to box and mask.
    """
    keypoints = np.zeros((len(KEYPOINT_NAMES), 3))
    if with_keypoints:
        found = person.keypoints()
        box = cv2.boundingRect(mask.view(np.uint8))
        for row, name in enumerate(KEYPOINT_NAMES):
            visibility = _visibility(rng, ids, mask, box, person, index, found[name])
            if visibility:
                keypoints[row] = *found[name].xy, visibility
    return {
        **_region(mask),
        "iscrowd": 0,
        "num_keypoints": int((keypoints[:, 2] > 0).sum()),
        "keypoints": [int(v) if i % 3 == 2 else round(float(v), 2) for i, v in enumerate(keypoints.ravel())],
        "segmentation": outlines(mask),
    }


def crowd_annotation(rng: np.random.Generator, mask: np.ndarray) -> Annotation:
    """Annotate a group of people without keypoints; its mask has a random one of COCO's three encodings."""
    encoding = pick(rng, {"uncompressed": 1, "compressed": 1, "polygon": 1})
    segmentation: Any
    if encoding == "polygon":
        segmentation = outlines(mask)
    elif encoding == "compressed":
        segmentation = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
        segmentation["counts"] = segmentation["counts"].decode("ascii")
    else:
        segmentation = {"size": list(mask.shape), "counts": run_lengths(mask)}
    return {
        **_region(mask),
        "iscrowd": 1,
        "num_keypoints": 0,
        "keypoints": [0] * (3 * len(KEYPOINT_NAMES)),
        "segmentation": segmentation,
    }


def run_lengths(mask: np.ndarray) -> list[int]:
    """Return COCO's uncompressed run lengths along columns; the first run is of zeros and may have length 0."""
    flat = np.concatenate([[False], mask.T.ravel(), [False]])
    changes = np.flatnonzero(flat[1:] != flat[:-1])
    edges = np.concatenate([[0], changes, [mask.size]])
    lengths = np.diff(edges)
    return [int(length) for length in (lengths[:-1] if lengths[-1] == 0 else lengths)]


def outlines(mask: np.ndarray) -> list[list[float]]:
    """Return the outlines of a mask as COCO polygons ``[x, y, x, y, ...]``, px from the outer edge of the first pixel.

    Holes are filled, because COCO's polygons cannot represent them.
    """
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    crop = mask[top : top + height, left : left + width].view(np.uint8)
    # At twice the size, the outline through pixel centers stays within a quarter pixel of the original pixels' edges.
    doubled = np.pad(crop.repeat(2, axis=0).repeat(2, axis=1), 1)
    contours, _ = cv2.findContours(doubled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    polygons = []
    for contour in sorted(contours, key=len, reverse=True):
        points = cv2.approxPolyDP(contour, 0.8, True)[:, 0].astype(float)
        points = (points - 1 + 0.5) / 2 + [left, top]
        if len(points) >= 3:
            polygons.append([round(float(value), 2) for value in points.ravel()])
    return polygons


def _region(mask: np.ndarray) -> Annotation:
    return {"area": int(np.count_nonzero(mask)), "bbox": list(cv2.boundingRect(mask.view(np.uint8)))}


def _visibility(
    rng: np.random.Generator,
    ids: np.ndarray,
    mask: np.ndarray,
    box: Sequence[int],
    person: Person,
    index: int,
    keypoint: Keypoint,
) -> int:
    """Return COCO's visibility flag: 2 = visible, 1 = covered but labeled, 0 = not labeled."""
    height, width = ids.shape
    x, y = keypoint.xy
    if keypoint.state == "absent" or not (0 <= x <= width - 1 and 0 <= y <= height - 1):
        return 0
    own = [part_id(index, part) for part in keypoint.parts]
    around = _around(ids, keypoint.xy, 0.006 * person.height)
    if keypoint.state == "seen" and np.isin(around, own).mean() > 0.3:  # a few pixels are not enough to locate it
        return 2
    if mask[round(y), round(x)]:  # behind another part of the person
        return 1
    # Something else is in front. Annotators label keypoints beside visible parts of the person, and sometimes guess.
    if _around(mask, keypoint.xy, 0.06 * person.height).any():
        return 1
    guessed = rng.random() < 0.35
    outside = max(box[0] - x, box[1] - y, x - box[0] - box[2], y - box[1] - box[3])
    return int(guessed and outside <= _FARTHEST_GUESS * max(box[2:]))


def _around(buffer: np.ndarray, xy: np.ndarray, radius: float) -> np.ndarray:
    """Return the pixels of a square window around a point that lies inside the buffer."""
    reach = max(1, round(radius))
    x, y = round(float(xy[0])), round(float(xy[1]))
    return buffer[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]
