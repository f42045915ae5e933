"""Guiding offsets: around the start of each limb, vectors to its end (Sec. 2.3)."""

from __future__ import annotations

import numpy as np

from gog_pose.encoding.vectors import vector_marks


def offset_marks(
    start: np.ndarray,
    end: np.ndarray,
    scales: np.ndarray,
    channels: np.ndarray,
    *,
    num_limbs: int,
    map_size: tuple[int, int],
    stride: int,
    support: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the offsets of each limb on the ``support x support`` cells around its start.

    Every cell points at the end keypoint itself: its value is ``J_to - cell``, which at the start keypoint is the
    paper's ``J_to - J_from`` and elsewhere stays right when the detected peak is a little off. Where supports
    overlap, the person whose start keypoint is nearest owns the cell, as in the heatmaps (the public code lets the
    shorter vector win, so that small people overwrite large ones).

    Args:
        start: ``(2, N)`` float32 first keypoints of limbs, px of the input image.
        end: ``(2, N)`` float32 second keypoints, px of the input image.
        scales: ``(N,)`` float32 scale of the person each limb belongs to, px of the input image.
        channels: ``(N,)`` int64, the limb type of each.
        num_limbs: L, how many limb types there are.
        map_size: ``(h, w)`` cells.
        stride: Input px a cell.
        support: Cells a side, odd (7 in the paper).

    Returns:
        Places and values in flattened ``(3L, h, w)`` maps: offsets in px of the input image, weights ``1 / scale``.
    """
    return vector_marks(
        start, end, 1 / scales, channels, num_channels=num_limbs, map_size=map_size, stride=stride, support=support
    )
