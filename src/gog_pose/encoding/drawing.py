"""From marks to maps: what the encoders of all ways of grouping have in common."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from gog_pose.records import TargetMarks


def draw_marks(marks: TargetMarks) -> torch.Tensor:
    """Put the marks of a batch of images down on their device; no value is computed.

    Returns:
        ``(B, C, h, w)`` float32, 0 where there is no mark.
    """
    num_images, _, height, width = marks.mask.shape
    shape = num_images, marks.num_channels, height, width
    if marks.mask.device.type == "cpu":
        maps = torch.from_numpy(np.zeros(shape, dtype=np.float32))  # keeps to warm memory; torch.zeros does not
    else:
        maps = torch.zeros(shape, device=marks.mask.device)
    maps.view(-1).scatter_reduce_(0, marks.peak_places, marks.peak_values, reduce="amax")
    maps.view(-1).scatter_(0, marks.places, marks.values)
    return maps


def supervision_mask(ignore: np.ndarray | None, map_size: tuple[int, int], stride: int) -> torch.Tensor:
    """Return ``(1, 1, h, w)`` float32, 0 where most pixels of a cell are to be ignored, 1 elsewhere.

    Args:
        ignore: ``(H, W)``, True = do not supervise; None = nothing is ignored.
        map_size: ``(h, w)``, cells.
        stride: Px a cell.
    """
    if ignore is None:
        return torch.ones((1, 1, *map_size))
    ignored = torch.from_numpy(np.asarray(ignore, dtype=np.float32))[None, None]
    return (F.avg_pool2d(ignored, stride) <= 0.5).float()
