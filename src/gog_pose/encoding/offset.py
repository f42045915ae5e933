"""Guiding offsets: around the start of each limb, vectors to its end (Sec. 2.3)."""

from __future__ import annotations

import torch

from gog_pose.encoding.window import window_around
from gog_pose.geometry import cells_to_image, image_to_cells


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
        channels: ``(N,)`` int64, the limb type of each.
        size: ``(L, h, w)`` of the result.
        stride: Input px a cell.
        support: Cells a side, odd (7 in the paper).

    Returns:
        ``(2L, h, w)`` offsets in px of the input image and ``(L, h, w)`` weights ``1 / scale``, both 0 elsewhere.
    """
    num_limbs, height, width = size
    offsets = torch.zeros((num_limbs, 2, height * width), device=start.device)
    weights = torch.zeros(num_limbs * height * width, device=start.device)
    window = window_around(image_to_cells(start, stride), support // 2, height, width)
    x = cells_to_image(window.columns.float(), stride)  # (N, S) px
    y = cells_to_image(window.rows.float(), stride)
    distance = (y - start[:, 1:]).square()[:, :, None] + (x - start[:, :1]).square()[:, None, :]

    inside = window.inside
    limb, row, column = inside.nonzero(as_tuple=True)
    cells = window.flat_index(channels)[inside]
    owner = _nearest(cells, distance[inside], limb, weights.numel())
    limb, row, column, cells = limb[owner], row[owner], column[owner], cells[owner]

    weights[cells] = 1 / scales[limb]
    place = cells % (height * width)
    offsets[channels[limb], 0, place] = end[limb, 0] - x[limb, column]
    offsets[channels[limb], 1, place] = end[limb, 1] - y[limb, row]
    return offsets.view(2 * num_limbs, height, width), weights.view(num_limbs, height, width)


def _nearest(cells: torch.Tensor, distance: torch.Tensor, limb: torch.Tensor, num_cells: int) -> torch.Tensor:
    """Return a mask with one True for each distinct cell: at its smallest distance, then at its first limb."""
    best = torch.full((num_cells,), torch.inf, device=cells.device)
    best.scatter_reduce_(0, cells, distance, reduce="amin")
    tied = distance == best[cells]
    first = torch.full((num_cells,), limb.numel() + 1, dtype=torch.long, device=cells.device)
    first.scatter_reduce_(0, cells[tied], limb[tied], reduce="amin")
    return tied & (limb == first[cells])
