"""Keypoint heatmaps: Gaussian responses around labelled keypoints (Sec. 2.2)."""

from __future__ import annotations

import math

import torch

from gog_pose.encoding.window import windows_around


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
    ``d`` the distance from ``(R u + R/2 - 0.5, R v + R/2 - 0.5)`` to the keypoint, which is not rounded here.

    Args:
        xy: ``(N, 2)`` keypoints, px of the input image.
        channels: ``(N,)`` int64, the map of each.
        size: ``(C, h, w)`` of the result.
        stride: Input px a cell.
        sigma: Standard deviation, px of the input image.
        min_response: Smaller responses become 0.

    Returns:
        ``(C, h, w)`` float32 in [0, 1].
    """
    reach = sigma * math.sqrt(-2 * math.log(min_response)) / stride  # cells to where the response is min_response
    # A keypoint lies at most half a cell from the middle of its window.
    windows = windows_around(xy, channels, math.floor(reach + 0.5), size=size, stride=stride)
    along = torch.exp((windows.lines - xy[:, :, None]).square() / (-2 * sigma**2))  # (N, 2, S)
    response = along[:, 1, :, None] * along[:, 0, None, :]
    response = torch.where(response >= min_response, response, 0)
    heatmaps = torch.zeros((size[0] + 1, *size[1:]), device=xy.device)
    # The response falls with distance, so the maximum is the nearest keypoint's.
    heatmaps.view(-1).scatter_reduce_(0, windows.places.view(-1), response.view(-1), reduce="amax")
    return heatmaps[:-1]
