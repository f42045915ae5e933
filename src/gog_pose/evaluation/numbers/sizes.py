"""Sizes of annotated people, px: the units of PCK thresholds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations, product
from typing import Literal, get_args

import numpy as np

from gog_pose.errors import InputError
from gog_pose.skeleton import Skeleton

Size = Literal["box", "head", "torso"]
SIZES: tuple[str, ...] = get_args(Size)
_HEAD = ("head", "nose", "eye", "ear", "neck")  # words in keypoint names
_SHOULDER, _HIP = ("shoulder",), ("hip",)


def person_sizes(size: str, people: np.ndarray, boxes: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Return the size of each annotated person.

    - ``box``: the longer side of the annotated box (Yang and Ramanan, PAMI 2013);
    - ``head``: the largest distance between two labeled keypoints of the head, which have head, nose, eye, ear or neck
      in their names. This is the distance from head to neck in CrowdPose and MPII (the head size of PCKh), and from ear
      to ear in frontal views in COCO;
    - ``torso``: the largest distance between a labeled shoulder and a labeled hip (Sapp and Taskar, CVPR 2013, use the
      distance from the left shoulder to the right hip).

    Args:
        size: ``box``, ``head`` or ``torso``.
        people: ``(P, K, 3)`` x, y (px) and COCO's visibility.
        boxes: ``(P, 4)`` left, top, width, height, px.
        skeleton: Names of the keypoints.

    Returns:
        ``(P,)`` px; nan where the required keypoints are not labeled or the size is 0.

    Raises:
        InputError: The size is unknown, or the skeleton lacks the keypoints that it needs.
    """
    if size == "box":
        sizes = boxes[:, 2:].max(axis=1)
    else:
        pairs = np.array(size_pairs(size, skeleton))
        ends = people[:, pairs]  # (P, pairs, 2, 3)
        lengths = np.hypot(*np.moveaxis(ends[:, :, 0, :2] - ends[:, :, 1, :2], -1, 0))
        sizes = np.where((ends[..., 2] > 0).all(axis=-1), lengths, 0).max(axis=1)
    return np.where(sizes > 0, sizes, np.nan)


def size_pairs(size: str, skeleton: Skeleton) -> list[tuple[int, int]]:
    """Return the pairs of keypoints whose largest distance is the size of a person; none for ``box``.

    Raises:
        InputError: The size is unknown, or the skeleton lacks the keypoints that it needs.
    """
    if size not in SIZES:
        raise InputError(f"keypoints.pck_size: {size!r} is unknown; choose {', '.join(SIZES)}")
    if size == "box":
        return []
    if size == "head":
        pairs, names = list(combinations(_named(skeleton, _HEAD), 2)), "two of head, nose, eye, ear and neck"
    else:
        pairs, names = list(product(_named(skeleton, _SHOULDER), _named(skeleton, _HIP))), "shoulder and hip"
    if not pairs:
        raise InputError(
            f"keypoints.pck_size: {size} needs keypoints with {names} in their names, which the skeleton"
            f" {skeleton.name} does not have; choose keypoints.pck_size=box"
        )
    return pairs


def _named(skeleton: Skeleton, words: Sequence[str]) -> list[int]:
    """Return the keypoints whose names contain one of the words as a whole word ("forearm" does not contain "ear")."""
    return [index for index, name in enumerate(skeleton.keypoints) if set(words) & set(_split(name))]


def _split(name: str) -> list[str]:
    """Return the words of a name such as left_eye, LeftEye, left-eye or eye1, in lower case."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])|[^A-Za-z]+", " ", name)
    return spaced.lower().split()
