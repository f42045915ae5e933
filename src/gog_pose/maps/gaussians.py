"""Keypoint heatmaps: Gaussian responses around labeled keypoints (Sec. 2.2)."""

from __future__ import annotations

import math

import numpy as np

from gog_pose.maps.windows import windows_around


def gaussian_marks(
    xy: np.ndarray,
    channels: np.ndarray,
    *,
    map_size: tuple[int, int],
    stride: int,
    sigma: float,
    min_response: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the Gaussian around each keypoint.

    The value of cell ``(u, v)`` is the response at its center in the input image, ``exp(-d^2 / 2 sigma^2)``, where
    ``d`` is the distance from ``(R u + R/2 - 0.5, R v + R/2 - 0.5)`` to the keypoint. The keypoint is not rounded.
    Where the Gaussians of several keypoints overlap, a cell takes the largest response, that of the nearest keypoint.

    Args:
        xy: ``(2, N)`` float32 keypoints, px of the input image.
        channels: ``(N,)`` int64, the map of each keypoint.
        map_size: ``(h, w)`` cells.
        stride: Px of the input image per cell.
        sigma: Standard deviation, px of the input image.
        min_response: Smaller responses are omitted.

    Returns:
        ``(M,)`` int64 indices into flattened ``(C, h, w)`` maps, and ``(M,)`` float32 responses. An index can occur
        several times; the largest response counts.
    """
    reach = sigma * math.sqrt(-2 * math.log(min_response)) / stride  # cells; the response there is min_response
    # A keypoint lies at most half a cell from the middle of its window.
    windows = windows_around(xy, channels, math.floor(reach + 0.5), map_size=map_size, stride=stride)
    along = np.exp((windows.lines - xy[:, None]) ** 2 / np.float32(-2 * sigma**2)) * windows.inside  # (2, S, N)
    responses = (along[1][:, None] * along[0]).ravel()
    drawn = np.flatnonzero(responses >= min_response)
    return windows.places.ravel().take(drawn), responses.take(drawn)
