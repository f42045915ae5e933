"""Square windows of cells around points, cut off at the map's edge.

The last axis of an array of windows is the window, because NumPy is fast along long rows and a window is only a few
cells wide.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gog_pose.geometry import cells_to_image, image_to_cells


class Windows(NamedTuple):
    """N windows of S x S cells on ``(C, h, w)`` maps.

    Attributes:
        places: ``(S, S, N)`` int64 index of each cell in the flattened maps; meaningful only inside.
        lines: ``(2, S, N)`` float32 x of a window's columns and y of its rows, px of the input image.
        inside: ``(2, S, N)`` True for the columns and rows that lie on the map.
    """

    places: np.ndarray
    lines: np.ndarray
    inside: np.ndarray


def nearest_cells(xy: np.ndarray, stride: int) -> np.ndarray:
    """Return the cells nearest to points in px of the input image, in the same float dtype; halves are rounded up."""
    return np.floor(image_to_cells(xy, stride) + 0.5)


def windows_around(
    xy: np.ndarray, channels: np.ndarray, radius: int, *, map_size: tuple[int, int], stride: int
) -> Windows:
    """Compute the window of ``2 radius + 1`` cells per side around the cell nearest to each point.

    Args:
        xy: ``(2, N)`` float32 points, px of the input image; they may lie outside of it.
        channels: ``(N,)`` int64, the map of each point.
        radius: Cells on each side of the nearest one.
        map_size: ``(h, w)`` cells.
        stride: Px of the input image per cell.
    """
    height, width = map_size
    steps = np.arange(-radius, radius + 1, dtype=np.float32)
    cells = nearest_cells(xy, stride)[:, None] + steps[:, None]  # (2, S, N) whole numbers
    columns, rows = cells.astype(np.int64)
    row_starts = rows * width + channels * (height * width)
    return Windows(
        row_starts[:, None] + columns,
        cells_to_image(cells, stride),
        (cells >= 0) & (cells < np.array([[[width]], [[height]]], dtype=np.float32)),
    )
