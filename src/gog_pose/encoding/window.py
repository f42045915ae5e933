"""Square windows of cells around points: where a keypoint leaves its mark on a map."""

from __future__ import annotations

from typing import NamedTuple

import torch

from gog_pose.geometry import cells_to_image, image_to_cells


class Windows(NamedTuple):
    """N windows of S x S cells on ``(C, h, w)`` maps that have a spare channel after the last one.

    What falls off the map goes to the spare channel, so that nobody has to cut windows at its border.

    Attributes:
        places: ``(N, S, S)`` int64 place of each cell in the flattened maps; ``C h w`` for cells off the map.
        lines: ``(N, 2, S)`` float32 where the window's columns and rows stand, px of the input image.
    """

    places: torch.Tensor
    lines: torch.Tensor


def nearest_cells(xy: torch.Tensor, stride: int) -> torch.Tensor:
    """Return the ``(N, 2)`` cells nearest to ``(N, 2)`` points in px of the input image; half-way, the later one."""
    return torch.floor(image_to_cells(xy, stride) + 0.5)


def windows_around(
    xy: torch.Tensor, channels: torch.Tensor, radius: int, *, size: tuple[int, int, int], stride: int
) -> Windows:
    """Lay a window of ``2 radius + 1`` cells a side around the cell nearest to each point.

    Args:
        xy: ``(N, 2)`` points, px of the input image; they may lie outside of it.
        channels: ``(N,)`` int64, the map of each.
        radius: Cells on each side of the nearest one.
        size: ``(C, h, w)`` of the maps, without the spare channel.
        stride: Input px a cell.
    """
    num_channels, height, width = size
    spare = num_channels * height * width
    steps = torch.arange(-radius, radius + 1, device=xy.device)
    cells = nearest_cells(xy, stride).long()[:, :, None] + steps  # (N, 2, S)
    columns, rows = cells.unbind(dim=1)
    row_starts = (channels[:, None] * height + rows) * width
    # Lines off the map start at the spare channel, so that all of their cells lie there or beyond.
    columns = columns.masked_fill((columns < 0) | (columns >= width), spare)
    row_starts.masked_fill_((rows < 0) | (rows >= height), spare)
    places = (row_starts[:, :, None] + columns[:, None, :]).clamp_(max=spare)
    return Windows(places, cells_to_image(cells.float(), stride))
