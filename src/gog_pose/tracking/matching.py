"""Similarity of people to expected poses, and the assignment of people to tracks that maximizes it."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment


def similarity(expected: np.ndarray, sizes: np.ndarray, keypoints: np.ndarray, variances: np.ndarray) -> np.ndarray:
    """Return the object keypoint similarity (OKS) over the keypoints that an expected pose and a person have in common.

    The sum is divided by the smaller of their two numbers of keypoints, so that a single common keypoint of many gives
    a low OKS. Without a common keypoint the OKS is 0.

    Args:
        expected: ``(T, K, 2)`` px, expected poses, or ``(T, N, K, 2)``, one for each person; NaN = unknown keypoint.
        sizes: ``(T,)`` px, square roots of the areas of the tracked people.
        keypoints: ``(N, K, 3)`` px, the people as ``x, y, response``; a response of 0 means not found.
        variances: ``(K,)`` squares of twice the OKS sigmas.

    Returns:
        ``(T, N)`` OKS, from 0 to 1.
    """
    if expected.ndim == 3:
        expected = expected[:, None]
    known, found = np.isfinite(expected[..., 0]), keypoints[..., 2] > 0
    distances = ((keypoints[..., :2] - np.nan_to_num(expected)) ** 2).sum(axis=-1)
    values = np.exp(-distances / (2 * sizes[:, None, None] ** 2 * variances)) * (known & found)
    least: np.ndarray = np.maximum(np.minimum(known.sum(axis=-1), found.sum(axis=-1)), 1)
    oks: np.ndarray = values.sum(axis=-1) / least
    return oks


def assigned(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the one-to-one pairs of rows and columns with the largest sum of weights.

    Args:
        weights: ``(T, N)`` weights of at least 0.

    Returns:
        The rows and the columns of the pairs; pairs of weight 0 are left out.
    """
    rows, columns = linear_sum_assignment(weights, maximize=True)
    used = weights[rows, columns] > 0
    return rows[used], columns[used]
