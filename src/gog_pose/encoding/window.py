"""Square windows of cells around points: where a keypoint leaves its mark on a map."""

from __future__ import annotations

from typing import NamedTuple

import torch


class Window(NamedTuple):
    """N windows of S x S cells on maps of ``height`` x ``width``.

    Attributes:
        rows: ``(N, S)`` int64 row of each window line; may lie outside the map.
        columns: ``(N, S)`` int64 column, likewise.
        height: Rows of the map.
        width: Columns of the map.
    """

    rows: torch.Tensor
    columns: torch.Tensor
    height: int
    width: int

    @property
    def inside(self) -> torch.Tensor:
        """``(N, S, S)`` True where a cell of the window lies on the map."""
        rows = (self.rows >= 0) & (self.rows < self.height)
        columns = (self.columns >= 0) & (self.columns < self.width)
        return rows[:, :, None] & columns[:, None, :]

    def flat_index(self, channels: torch.Tensor) -> torch.Tensor:
        """``(N, S, S)`` place of each cell in flattened ``(C, h, w)`` maps; meaningful only where ``inside``."""
        rows = channels[:, None] * self.height + self.rows
        return rows[:, :, None] * self.width + self.columns[:, None, :]


def window_around(cells: torch.Tensor, radius: int, height: int, width: int) -> Window:
    """Lay a window of ``2 radius + 1`` cells a side around the cell nearest to each point.

    Args:
        cells: ``(N, 2)`` x and y, cells.
        radius: Cells on each side of the nearest one.
        height: Rows of the map.
        width: Columns of the map.
    """
    nearest = torch.floor(cells + 0.5).long()
    steps = torch.arange(-radius, radius + 1, device=cells.device)
    return Window(nearest[:, 1:] + steps, nearest[:, :1] + steps, height, width)
