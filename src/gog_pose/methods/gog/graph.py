"""Search for the highest pixels of the heatmaps, and the cells around them, by tensor operations of fixed shape only.

``peaks.py`` searches only where peaks are possible. This is fast on a CPU, but it is not a graph of tensor operations
that can be exported with a network. Here the complete heatmaps are interpolated, and every type has k peaks; those with
response 0 are empty. The decoder then computes positions from the cells around the peaks. Both searches find the same
peaks up to rounding, because the maps are interpolated in float32 here: if two pixels tie, ``bicubic`` and ``bilinear``
may return one of them in place of their center, which ``subpixel`` still finds.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from gog_pose.errors import InputError
from gog_pose.geometry import cells_to_image, image_to_cells
from gog_pose.maps.localize import BEFORE, TAPS, taylor_reach
from gog_pose.maps.peaks import LIMIT
from gog_pose.maps.surface import weights_between
from gog_pose.methods.gog.candidates import PeakWindows
from gog_pose.methods.gog.decoder import GogDecoder
from gog_pose.methods.gog.records import PoseMaps


class PeakGraph(nn.Module):
    """Peak search of a ``GogDecoder`` for ``torch.export``: k peaks per type and the windows around them.

    Args:
        decoder: Decoder that will read the windows.

    Attributes:
        outputs: Names of the fields of ``PeakWindows`` that are not None.

    Raises:
        InputError: The decoder has other rules.
    """

    weights: torch.Tensor

    def __init__(self, decoder: GogDecoder) -> None:
        super().__init__()
        if not isinstance(decoder, GogDecoder):
            raise InputError("decoder.rules: only rules=gog can be exported; train or import with method=gog")
        self.decoder = decoder
        self.outputs = PeakWindows._fields if decoder.spread_factor else PeakWindows._fields[:-1]
        interpolation = "bilinear" if decoder.localizer == "bilinear" else "bicubic"
        weights = torch.from_numpy(_pixel_weights(decoder.stride, interpolation)).float()
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, maps: PoseMaps) -> PeakWindows:
        """Find the peaks of a batch and extract the windows around them.

        Args:
            maps: ``(B, K, h, w)`` heatmaps, ``(B, 2L, h, w)`` offsets and the optional maps that the decoder uses.
        """
        decoder = self.decoder
        heatmaps = torch.nan_to_num(maps.heatmaps.float(), nan=0.0, posinf=0.0, neginf=0.0).clamp(-LIMIT, LIMIT)
        of_cells = decoder.localizer in ("cell", "dark")
        pixels = heatmaps if of_cells else _upsampled(heatmaps, self.weights)
        xy, responses = _highest_peaks(pixels, decoder.topk, decoder.threshold)
        if of_cells:
            xy = cells_to_image(xy, decoder.stride)
        xy = torch.where(responses[..., None] > 0, xy, 0)
        cells = image_to_cells(xy, decoder.stride)
        first = cells.floor() - BEFORE

        height, width = heatmaps.shape[2:]
        size = torch.tensor([width, height], device=heatmaps.device)
        places = _window_places(first, TAPS, size)  # (B, K, k, 6, 6)
        responding = places
        if decoder.localizer == "dark":
            reach = taylor_reach(decoder.sigma / decoder.stride)
            responding = _window_places(cells.round() - reach, 2 * reach + 1, size)
        starts = places[:, [start for start, _ in decoder.skeleton.limbs]]
        vectors = _vectors(maps.offsets.float().reshape(*starts.shape[:2], 2, height, width), starts)
        if decoder.refine:
            assert maps.refinements is not None
            moves = _vectors(maps.refinements.float()[:, None], places.flatten(1, 2)[:, None])
            vectors = torch.cat([vectors, moves.reshape(*places.shape[:3], *vectors.shape[3:])], dim=1)
        spreads = None
        if decoder.spread_factor:
            assert maps.spreads is not None
            spreads = _gather(maps.spreads.float(), starts)
        found = _gather(heatmaps, responding)
        return PeakWindows(xy, responses, first, found, vectors, size.expand(xy.shape[0], 2), spreads)


def _pixel_weights(stride: int, interpolation: str) -> np.ndarray:
    """Return ``(R, 5)`` weights along one axis: the pixels of a cell x the cell, two before it and two after it."""
    places = image_to_cells(np.arange(stride, dtype=np.float64), stride)
    low = np.floor(places).astype(np.intp)
    weights = np.zeros((stride, 5))
    weights[np.arange(stride)[:, None], 1 + low[:, None] + np.arange(4)] = weights_between(places - low, interpolation)
    return weights


def _upsampled(maps: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Upsample maps like ``F.interpolate``, five times as fast in ONNX Runtime.

    Args:
        maps: ``(B, K, h, w)``.
        weights: ``(R, 5)``.

    Returns:
        ``(B, K, R h, R w)``.
    """
    height, width = maps.shape[2:]
    columns = F.conv2d(F.pad(maps.flatten(0, 1)[:, None], (0, 0, 2, 2), mode="replicate"), weights[:, None, :, None])
    columns = columns.transpose(1, 2).flatten(1, 2)[:, None]  # (B K, 1, R h, w)
    pixels = F.conv2d(F.pad(columns, (2, 2, 0, 0), mode="replicate"), weights[:, None, None])
    return pixels.movedim(1, 3).reshape(*maps.shape[:2], len(weights) * height, len(weights) * width)


def _highest_peaks(pixels: torch.Tensor, topk: int, threshold: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Find the k highest pixels that no neighbor exceeds.

    Neighbors with the same response are one peak, at the center of those in the window of the first in reading order.
    If any of them has a higher neighbor, none is a peak.

    Args:
        pixels: ``(B, K, H, W)``.
        topk: k.
        threshold: Lowest response of a peak.

    Returns:
        ``(B, K, k, 2)`` x and y and ``(B, K, k)`` responses, 0 where there is no peak.
    """
    summits = pixels >= _highest_near(pixels)
    # Of equal neighbors, only the first is one of the k pixels, and none if one of them has a higher neighbor.
    framed = F.pad(pixels, (1, 1, 1, 0), value=-math.inf)
    above = F.max_pool2d(framed[..., :-1, :], (1, 3), stride=1)
    first = pixels > torch.maximum(above, framed[..., 1:, :-2])
    whole = pixels > _highest_near(torch.where(summits, -math.inf, pixels))
    responses, places = torch.where(summits & first & whole, pixels, 0).flatten(2).topk(topk)
    width = pixels.shape[3]
    y = places.div(width, rounding_mode="floor")
    x = places - y * width

    framed = F.pad(pixels, (1, 1, 1, 1), value=-math.inf)
    around = torch.arange(-1, 2, device=pixels.device)
    rows, columns = (y[..., None] + 1 + around) * (width + 2), x[..., None] + 1 + around
    near = _gather(framed, rows[..., :, None] + columns[..., None, :])
    tied = near == near[..., 1:2, 1:2]
    shift = torch.stack([(tied * axis).sum(dim=(-2, -1)).float() for axis in (around, around[:, None])], dim=-1)
    center = torch.stack([x, y], dim=-1) + shift / tied.sum(dim=(-2, -1))[..., None]
    return center, torch.where(responses >= threshold, responses, 0)


def _highest_near(pixels: torch.Tensor) -> torch.Tensor:
    """Return the highest response in the 3x3 window of each pixel."""
    return F.max_pool2d(pixels, 3, stride=1, padding=1)


def _window_places(first: torch.Tensor, side: int, size: torch.Tensor) -> torch.Tensor:
    """Return ``(..., S, S)`` indices into the flattened maps of the cells of windows.

    Args:
        first: ``(..., 2)`` the first cell (x, y) of each window.
        side: S, cells per side.
        size: ``(2,)`` width and height of the maps; the cells at the border are repeated beyond it.
    """
    taps = torch.arange(side, device=first.device)
    columns, rows = ((first[..., axis, None].long() + taps).clamp(min=0).minimum(size[axis] - 1) for axis in range(2))
    return rows[..., :, None] * size[0] + columns[..., None, :]


def _vectors(maps: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Return the ``(B, V, n, 2, 6, 6)`` values of ``(B, V, 2, h, w)`` maps at ``(B, V, n, 6, 6)`` indices."""
    return _gather(maps, places[:, :, None].expand(-1, -1, 2, -1, -1, -1)).transpose(2, 3)


def _gather(maps: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Return the values of ``(..., h, w)`` maps at indices into the flattened maps, of any shape after ``...``."""
    lead = maps.dim() - 2
    return maps.flatten(lead).gather(lead, places.flatten(lead)).reshape(places.shape)
