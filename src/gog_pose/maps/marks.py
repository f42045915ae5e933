"""Marks: sparse targets, the few cells that are not 0. Workers compute them and any device renders them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F


class GridMarks(NamedTuple):
    """Marks of a batch of images on maps of one stride; about a fifteenth of the size of the maps.

    Places are indices into flattened ``(B, C, h, w)`` maps, in which the maps of all fields except the mask are
    concatenated.

    Attributes:
        peak_places: ``(N,)`` int64 indices of responses; where one occurs several times, the largest response counts.
        peak_values: ``(N,)`` float32 responses.
        places: ``(M,)`` int64 distinct indices of all other values.
        values: ``(M,)`` float32.
        mask: ``(B, 1, h, w)`` float32, 1 = supervised, 0 = ignored.
        num_channels: C.
    """

    peak_places: torch.Tensor
    peak_values: torch.Tensor
    places: torch.Tensor
    values: torch.Tensor
    mask: torch.Tensor
    num_channels: int

    @classmethod
    def join(cls, batches: Sequence[GridMarks]) -> GridMarks:
        """Join the marks of batches of images of one size."""
        masks = [batch.mask for batch in batches]
        starts = itertools.accumulate((mask.numel() * batches[0].num_channels for mask in masks), initial=0)
        moved = [
            (batch.peak_places + start, batch.peak_values, batch.places + start, batch.values)
            for batch, start in zip(batches, starts, strict=False)
        ]
        fields = [torch.cat(list(field)) for field in (*zip(*moved, strict=True), masks)]
        return cls._make([*fields, batches[0].num_channels])


class TargetMarks(NamedTuple):
    """Marks of a batch of images.

    Attributes:
        grids: One entry per stride of the method's maps.
        lists: Targets of a method that are not maps: for each kind a list with one tensor per image.
    """

    grids: tuple[GridMarks, ...]
    lists: tuple[list[torch.Tensor], ...] = ()

    @classmethod
    def join(cls, batches: Sequence[TargetMarks]) -> TargetMarks:
        """Join the marks of batches of images of one size."""
        grids = tuple(GridMarks.join(grids) for grids in zip(*(batch.grids for batch in batches), strict=True))
        lists = zip(*(batch.lists for batch in batches), strict=True)
        return cls(grids, tuple(list(itertools.chain.from_iterable(column)) for column in lists))

    def to(self, device: torch.device) -> TargetMarks:
        """Return the marks on a device."""
        grids = (GridMarks._make([*(field.to(device) for field in grid[:-1]), grid[-1]]) for grid in self.grids)
        return TargetMarks(tuple(grids), tuple([entry.to(device) for entry in column] for column in self.lists))


def render_marks(marks: GridMarks) -> torch.Tensor:
    """Write the values of the marks of a batch of images into maps on their device.

    Returns:
        ``(B, C, h, w)`` float32, 0 where there is no mark.
    """
    num_images, _, height, width = marks.mask.shape
    shape = num_images, marks.num_channels, height, width
    if marks.mask.device.type == "cpu":
        maps = torch.from_numpy(np.zeros(shape, dtype=np.float32))  # reuses cached memory; torch.zeros does not
    else:
        maps = torch.zeros(shape, device=marks.mask.device)
    maps.view(-1).scatter_reduce_(0, marks.peak_places, marks.peak_values, reduce="amax")
    maps.view(-1).scatter_(0, marks.places, marks.values)
    return maps


def supervision_mask(ignore: np.ndarray | None, map_size: tuple[int, int], stride: int) -> torch.Tensor:
    """Return ``(1, 1, h, w)`` float32: 0 where most pixels of a cell are ignored, 1 elsewhere.

    Args:
        ignore: ``(H, W)``, True = do not supervise; None = nothing is ignored.
        map_size: ``(h, w)``, cells.
        stride: Px per cell.
    """
    if ignore is None:
        return torch.ones((1, 1, *map_size))
    ignored = torch.from_numpy(np.asarray(ignore, dtype=np.float32))[None, None]
    return (F.avg_pool2d(ignored, stride) <= 0.5).float()
