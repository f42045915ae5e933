"""Recurrent refinement: the end of a mid-range offset moves by the short-range offset of its type at that point."""

from __future__ import annotations

import torch

from gog_pose.geometry import image_to_cells


def refined(
    xy: torch.Tensor, short_offsets: torch.Tensor, items: torch.Tensor, *, stride: int, steps: int
) -> torch.Tensor:
    """Move points repeatedly by the short-range offsets at their positions; all steps are differentiable.

    Offsets are interpolated bilinearly. A point does not move if one of its four cells lies outside of the map.

    Args:
        xy: ``(N, 2)`` float32 points, px of the input image.
        short_offsets: ``(M, 2, h, w)`` float32 maps of x and y, px of the input image.
        items: ``(N,)`` int64, the map of each point.
        stride: Px of the input image per cell.
        steps: Number of moves.
    """
    for _ in range(steps):
        xy = xy + _read(short_offsets, items, image_to_cells(xy, stride))
    return xy


def _read(maps: torch.Tensor, items: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
    """Interpolate ``(M, 2, h, w)`` maps bilinearly at ``(N, 2)`` cells; 0 where one of the four cells is outside."""
    height, width = maps.shape[2:]
    size = cells.new_tensor([width, height])
    inside = ((cells >= 0) & (cells <= size - 1) & (size > 1)).all(dim=1)
    low = torch.minimum(cells.detach().floor(), size - 2)
    low = torch.where(inside[:, None], low, 0)  # also where cells are not finite
    (tx, ty), (column, row) = (cells - low).T, low.long().T
    place = 2 * items * (height * width) + row * width + column
    flat = maps.flatten()
    weights = ((1 - tx) * (1 - ty), tx * (1 - ty), (1 - tx) * ty, tx * ty)
    corners = (0, 1, width, width + 1)
    axes = []
    for start in (0, height * width):
        parts = [
            weight * flat.index_select(0, (place + start + corner) * inside)
            for weight, corner in zip(weights, corners, strict=True)
        ]
        axes.append(torch.where(inside, torch.stack(parts).sum(dim=0), 0))
    return torch.stack(axes, dim=1)
