"""Square windows of cells around points: where a keypoint leaves its mark on a map."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gog_pose.geometry import cells_to_image, image_to_cells


class Windows(NamedTuple):
    """N windows of S x S cells on ``(C, h, w)`` maps.

    Attributes:
        places: ``(N, S, S)`` int64 place of each cell in the flattened maps; meaningful only where ``inside``.
        inside: ``(N, S, S)`` True where a cell lies on the map.
        lines: ``(N, 2, S)`` float32 where the window's columns and rows stand, px of the input image.
    """

    places: np.ndarray
    inside: np.ndarray
    lines: np.ndarray


def nearest_cells(xy: np.ndarray, stride: int) -> np.ndarray:
    """Return the ``(N, 2)`` cells nearest to ``(N, 2)`` points in px of the input image; half-way, the later one."""
    return np.floor(image_to_cells(xy, stride) + 0.5)


def windows_around(
    xy: np.ndarray, channels: np.ndarray, radius: int, *, map_size: tuple[int, int], stride: int
) -> Windows:
    """Lay a window of ``2 radius + 1`` cells a side around the cell nearest to each point.

    Args:
        xy: ``(N, 2)`` float32 points, px of the input image; they may lie outside of it.
        channels: ``(N,)`` int64, the map of each.
        radius: Cells on each side of the nearest one.
        map_size: ``(h, w)`` cells.
        stride: Input px a cell.
    """
    height, width = map_size
    cells = nearest_cells(xy, stride).astype(np.int64)[:, :, None] + np.arange(-radius, radius + 1)  # (N, 2, S)
    columns, rows = cells[:, 0], cells[:, 1]
    column_inside, row_inside = (columns >= 0) & (columns < width), (rows >= 0) & (rows < height)
    row_starts = (channels[:, None] * height + rows) * width
    return Windows(
        row_starts[:, :, None] + columns[:, None, :],
        row_inside[:, :, None] & column_inside[:, None, :],
        cells_to_image(cells.astype(np.float32), stride),
    )
