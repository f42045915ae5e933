"""Multi-scale test: maps of one image at several sizes, brought to one size and merged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from gog_pose.errors import InputError
from gog_pose.geometry import cells_to_cells, normalised_to_cells
from gog_pose.interfaces import Maps
from gog_pose.records import PoseMaps


def merge_scales(answers: Sequence[Maps], matrices: Sequence[np.ndarray], stride: int) -> PoseMaps:
    """Return the mean of the maps of a batch of images seen at several scales.

    Args:
        answers: What the network says about each view of the batch.
        matrices: ``(B, 3, 3)`` px of the original images -> px of the network input, for each view.
        stride: Px of an input a cell.

    Returns:
        Maps of the size of the first view's; offsets in px of its inputs.

    Raises:
        InputError: The maps are not those of guiding offsets.
    """
    first = answers[0]
    size = (int(first.heatmaps.shape[-2]), int(first.heatmaps.shape[-1]))
    merged = [_resampled(maps, matrices[0], end, size, stride) for maps, end in zip(answers, matrices, strict=True)]
    fields: list[Any] = [
        None if column[0] is None else torch.stack(column).mean(0) for column in zip(*merged, strict=True)
    ]
    return PoseMaps(*fields)


def _resampled(maps: Maps, start: np.ndarray, end: np.ndarray, size: tuple[int, int], stride: int) -> PoseMaps:
    """Return maps of one view on the cells of another, ``size`` of them; what lies outside of the first is 0."""
    if not isinstance(maps, PoseMaps):
        raise InputError("scales: only maps of guiding offsets can be merged over scales; set scales=[1]")
    cells = [cells_to_cells(one, other, stride) for one, other in zip(start, end, strict=True)]
    own = (int(maps.heatmaps.shape[-2]), int(maps.heatmaps.shape[-1]))
    grids = np.stack([np.linalg.inv(normalised_to_cells(own)) @ cell @ normalised_to_cells(size) for cell in cells])
    like = maps.heatmaps
    grid = functional.affine_grid(
        torch.as_tensor(grids[:, :2], dtype=like.dtype, device=like.device),
        [len(like), 1, *size],
        align_corners=False,
    )
    growth = torch.as_tensor(np.stack([np.diag(cell)[:2] for cell in cells]), dtype=like.dtype, device=like.device)

    def vectors(field: torch.Tensor) -> torch.Tensor:
        moved = functional.grid_sample(field, grid, align_corners=False)
        return moved / growth.repeat(1, field.shape[1] // 2)[..., None, None]

    return PoseMaps(
        functional.grid_sample(maps.heatmaps, grid, mode="bicubic", align_corners=False),
        vectors(maps.offsets),
        None if maps.refinements is None else vectors(maps.refinements),
    )
