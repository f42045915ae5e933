"""Keypoint heatmaps: Gaussian responses around labelled keypoints (Sec. 2.2)."""

from __future__ import annotations

import math

import torch

from gog_pose.encoding.window import window_around
from gog_pose.geometry import cells_to_image, image_to_cells


def gaussian_heatmaps(
    xy: torch.Tensor,
    channels: torch.Tensor,
    *,
    size: tuple[int, int, int],
    stride: int,
    sigma: float,
    min_response: float,
) -> torch.Tensor:
    """Draw a Gaussian around each keypoint; where several reach a cell, the nearest keypoint decides.

    A cell at ``(u, v)`` takes the response at its place in the input image, ``exp(-d^2 / 2 sigma^2)`` with
    ``d`` the distance from ``(R u + R/2 - 0.5, R v + R/2 - 0.5)`` to the keypoint, which is never rounded.

    Args:
        xy: ``(N, 2)`` keypoints, px of the input image.
        channels: ``(N,)`` int64, the keypoint type of each.
        size: ``(K, h, w)`` of the result.
        stride: Input px a cell.
        sigma: Standard deviation, px of the input image.
        min_response: Smaller responses become 0.

    Returns:
        ``(K, h, w)`` float32 in [0, 1].
    """
    _, height, width = size
    heatmaps = torch.zeros(size, dtype=torch.float32, device=xy.device)
    reach = sigma * math.sqrt(-2 * math.log(min_response)) / stride  # cells to where the response is min_response
    window = window_around(image_to_cells(xy, stride), math.ceil(reach), height, width)
    dx = cells_to_image(window.columns.float(), stride) - xy[:, :1]  # (N, S) px
    dy = cells_to_image(window.rows.float(), stride) - xy[:, 1:]
    squared = dy.square()[:, :, None] + dx.square()[:, None, :]  # (N, S, S) px^2
    response = torch.exp(squared / (-2 * sigma**2))
    drawn = window.inside & (response >= min_response)
    cells = window.flat_index(channels)
    # The response falls with distance, so the maximum is the nearest keypoint's.
    heatmaps.view(-1).scatter_reduce_(0, cells[drawn], response[drawn], reduce="amax")
    return heatmaps
