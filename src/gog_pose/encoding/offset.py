"""Guiding offsets: around the start of each limb, vectors to its end (Sec. 2.3)."""

from __future__ import annotations

import torch

from gog_pose.encoding.vectors import draw_vectors


def guiding_offsets(
    start: torch.Tensor,
    end: torch.Tensor,
    scales: torch.Tensor,
    channels: torch.Tensor,
    *,
    size: tuple[int, int, int],
    stride: int,
    support: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw the offsets of each limb on the ``support x support`` cells around its start.

    Every cell points at the end keypoint itself: its value is ``J_to - cell``, which at the start keypoint is the
    paper's ``J_to - J_from`` and elsewhere stays right when the detected peak is a little off. Where supports
    overlap, the person whose start keypoint is nearest owns the cell, as in the heatmaps (the public code lets the
    shorter vector win, so that small people overwrite large ones).

    Args:
        start: ``(N, 2)`` first keypoints of limbs, px of the input image.
        end: ``(N, 2)`` second keypoints, px of the input image.
        scales: ``(N,)`` scale of the person each limb belongs to, px of the input image.
        channels: ``(N,)`` int64, the map of each.
        size: ``(C, h, w)`` of the weights.
        stride: Input px a cell.
        support: Cells a side, odd (7 in the paper).

    Returns:
        ``(2C, h, w)`` offsets in px of the input image and ``(C, h, w)`` weights ``1 / scale``, both 0 elsewhere.
    """
    return draw_vectors(start, end, 1 / scales, channels, size=size, stride=stride, support=support)
