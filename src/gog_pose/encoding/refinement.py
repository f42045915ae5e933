"""Refinement offsets: around each keypoint, vectors to that keypoint ("ro" in Table 2)."""

from __future__ import annotations

import numpy as np

from gog_pose.encoding.vectors import vector_marks


def refinement_marks(
    xy: np.ndarray, *, map_size: tuple[int, int], stride: int, support: int
) -> tuple[np.ndarray, np.ndarray]:
    """Compute ``keypoint - cell`` on the ``support x support`` cells around each keypoint.

    The paper only names these offsets. As in the public code, one pair of maps serves the keypoints of all types;
    where supports overlap, the nearest keypoint owns the cell (which is the shorter vector, here).

    Args:
        xy: ``(2, N)`` float32 keypoints of any type, px of the input image.
        map_size: ``(h, w)`` cells.
        stride: Input px a cell.
        support: Cells a side, odd (3 in the public code).

    Returns:
        Places and values in flattened ``(3, h, w)`` maps: offsets in px of the input image, then weights of 1.
    """
    ones, channels = np.ones(xy.shape[1], dtype=np.float32), np.zeros(xy.shape[1], dtype=np.int64)
    return vector_marks(xy, xy, ones, channels, num_channels=1, map_size=map_size, stride=stride, support=support)
