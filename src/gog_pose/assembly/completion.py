"""Completion: undetected keypoints, inferred from the offsets of a person's other keypoints."""

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
    """Infer missing keypoints by following the offsets from the keypoints that people have.

    If several offsets lead to the same keypoint, the one from the highest response counts. Offsets shorter than
    ``min_length`` are ignored: ground-truth maps have them where the end of a limb is not labeled.

    Args:
        people: ``(N, K)`` ranks of each person's peaks, -1 = none.
        xy: ``(K, n, 2)`` peaks, px, input image.
        responses: ``(K, n)`` their responses.
        guides: ``(L, n, 2)`` J_guid of the starts, px, input image.
        limbs: L pairs of keypoint types.
        min_length: Shorter offsets are ignored, px.

    Returns:
        ``(N, K, 3)`` float32 x, y and the response of the keypoint at which the offset starts; 0 = not inferred.
    """
    inferred = np.zeros((*people.shape, 3), dtype=np.float32)
    starts, ends = np.asarray(limbs, dtype=np.intp).reshape(-1, 2).T
    person, limb = np.nonzero((people[:, starts] >= 0) & (people[:, ends] < 0))
    rank = people[person, starts[limb]]
    target, response = guides[limb, rank], responses[starts[limb], rank]
    with np.errstate(invalid="ignore", over="ignore"):
        length = np.hypot(*(target - xy[starts[limb], rank]).T.astype(np.float64))
    # The last value written counts; among equal responses it is the lowest in the image, also in a mirrored scene.
    order = np.lexsort((target[:, 0], target[:, 1], response))
    order = order[(np.isfinite(length) & (length >= min_length))[order]]
    inferred[person[order], ends[limb[order]]] = np.column_stack([target, response])[order]
    return inferred
