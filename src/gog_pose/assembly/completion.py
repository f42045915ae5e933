"""Completion: keypoints that nobody detected, where the offsets of a person's other keypoints lead."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def infer_missing(
    people: np.ndarray,
    xy: np.ndarray,
    responses: np.ndarray,
    guides: np.ndarray,
    limbs: Sequence[Sequence[int]],
    min_length: float,
) -> np.ndarray:
    """Follow the offsets from the keypoints that people have to those they lack.

    Where several lead to the same keypoint, the one from the highest response counts. Offsets that lead nowhere, as
    flawless maps have where there is nothing to point at, are not followed.

    Args:
        people: ``(N, K)`` ranks of their peaks, -1 = none.
        xy: ``(K, n, 2)`` peaks, px, input image.
        responses: ``(K, n)`` their responses.
        guides: ``(L, n, 2)`` J_guid of the starts, px, input image.
        limbs: L pairs of keypoint types.
        min_length: Shorter offsets lead nowhere, px.

    Returns:
        ``(N, K, 3)`` float32 x, y and the response of the keypoint that the offset starts from; 0 = nothing to follow.
    """
    inferred = np.zeros((*people.shape, 3), dtype=np.float32)
    starts, ends = np.asarray(limbs, dtype=np.intp).reshape(-1, 2).T
    person, limb = np.nonzero((people[:, starts] >= 0) & (people[:, ends] < 0))
    rank = people[person, starts[limb]]
    target, response = guides[limb, rank], responses[starts[limb], rank]
    with np.errstate(invalid="ignore", over="ignore"):
        length = np.hypot(*(target - xy[starts[limb], rank]).T.astype(np.float64))
    # The last one written stays; of equal responses that is the lowest in the image, in a mirrored scene, too.
    order = np.lexsort((target[:, 0], target[:, 1], response))
    order = order[(np.isfinite(length) & (length >= min_length))[order]]
    inferred[person[order], ends[limb[order]]] = np.column_stack([target, response])[order]
    return inferred
