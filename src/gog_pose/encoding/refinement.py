"""Refinement offsets: around each keypoint, vectors to that keypoint ("ro" in Table 2)."""

from __future__ import annotations

import torch

from gog_pose.encoding.vectors import draw_vectors


def refinement_offsets(
    xy: torch.Tensor, channels: torch.Tensor, *, size: tuple[int, int, int], stride: int, support: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw ``keypoint - cell`` on the ``support x support`` cells around each keypoint.

    The paper only names these offsets. As in the public code, one pair of maps serves the keypoints of all types;
    where supports overlap, the nearest keypoint owns the cell (which is the shorter vector, here).

    Args:
        xy: ``(N, 2)`` keypoints of any type, px of the input image.
        channels: ``(N,)`` int64, the map of each.
        size: ``(C, h, w)`` of the weights; one map an image.
        stride: Input px a cell.
        support: Cells a side, odd (3 in the public code).

    Returns:
        ``(2C, h, w)`` offsets in px of the input image and ``(C, h, w)`` weights, 1 on supports; both 0 elsewhere.
    """
    return draw_vectors(xy, xy, torch.ones_like(xy[:, 0]), channels, size=size, stride=stride, support=support)
