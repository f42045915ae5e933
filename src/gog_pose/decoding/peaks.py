"""Keypoint candidates: the peaks of the heatmaps, interpolated to the resolution of the input image (Sec. 2.2).

A peak is a pixel of the interpolated heatmap that reaches the threshold and that no pixel of its 3x3 window exceeds.
Two ways lead to the same peaks:

- ``dense`` interpolates whole maps. It is the definition, and what the tests compare with.
- ``sparse`` interpolates only where the surrounding cells allow a response above the threshold.

Both interpolate in float64 and round the result to float32. Where the stride is a power of two, the weights of cubic
interpolation are short binary fractions, so the order of summation has no influence: ties stay ties (a keypoint between
two pixels, a constant map), mirrored maps have mirrored peaks, and the two ways agree to the bit. At other strides they
agree but for rounding.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

# Responses lie around [0, 1]. Anything beyond this is a broken map; the limit keeps products of responses finite.
_LIMIT = 1e6
_CUBIC_A = -0.75  # the constant of torch's (and OpenCV's) bicubic kernel
_REACH = 6  # cells a side that decide a block of pixels and the pixels next to it
_AFTER = ((0, 1), (1, -1), (1, 0), (1, 1))  # the neighbours (dy, dx) of a pixel that are read after it


class Peaks(NamedTuple):
    """Keypoint candidates of a batch, at most n of a type, the highest response first.

    Attributes:
        xy: ``(B, K, n, 2)`` float32, px, input image; 0 where there is no peak.
        responses: ``(B, K, n)`` float32; 0 = no peak.
    """

    xy: torch.Tensor
    responses: torch.Tensor


def find_peaks(
    heatmaps: torch.Tensor,
    *,
    stride: int,
    topk: int,
    threshold: float,
    interpolation: str = "bicubic",
    method: str = "sparse",
) -> Peaks:
    """Find the keypoint candidates of every type.

    Of neighbours with the same response the first in reading order stands for all; its position is the centre of
    those in its window, so that a keypoint halfway between two pixels is found there.

    Args:
        heatmaps: ``(B, K, h, w)`` of any floating type. Values that are not finite count as no response.
        stride: Pixels a cell, R.
        topk: Candidates kept of a type.
        threshold: Lowest response of a candidate, positive.
        interpolation: ``bicubic`` or ``bilinear``.
        method: ``sparse`` or ``dense``.

    Returns:
        The peaks, on the device of the maps.
    """
    batch, types, height, width = heatmaps.shape
    if not heatmaps.numel():
        return Peaks(*(heatmaps.new_zeros(batch, types, 0, *last, dtype=torch.float32) for last in ((2,), ())))
    maps = heatmaps.reshape(batch * types, height, width).float()
    maps = maps.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0).clamp_(-_LIMIT, _LIMIT)
    interpolate = {"dense": _whole_maps, "sparse": _blocks}[method]
    tiles = interpolate(maps, stride, threshold, interpolation)
    return _keep_best(*_local_maxima(tiles, threshold), (batch, types), topk)


class _Tiles(NamedTuple):
    """Pieces of interpolated maps, N of one size.

    Attributes:
        pixels: ``(H + 2, W + 2, N)`` float32 responses, with a frame of one pixel that belongs to the neighbours; minus
            infinity outside the image.
        source: ``(N,)`` which map it is of.
        x: ``(N,)`` px, input image, of the first pixel inside the frame.
        y: ``(N,)`` likewise.
    """

    pixels: torch.Tensor
    source: torch.Tensor
    x: torch.Tensor
    y: torch.Tensor


def _whole_maps(maps: torch.Tensor, stride: int, threshold: float, interpolation: str) -> _Tiles:
    """Interpolate all of every map, ``(M, h, w)``; the threshold saves no work here."""
    size = (maps.shape[1] * stride, maps.shape[2] * stride)
    image = F.interpolate(maps[None].to(_exact(maps)), size, mode=interpolation, align_corners=False)[0]
    source = torch.arange(len(maps), device=maps.device)
    pixels = F.pad(image.float(), (1, 1, 1, 1), value=-math.inf)
    return _Tiles(pixels.permute(1, 2, 0), source, 0 * source, 0 * source)


def _blocks(maps: torch.Tensor, stride: int, threshold: float, interpolation: str) -> _Tiles:
    """Interpolate the blocks of ``(M, h, w)`` maps that can reach the threshold.

    Block i along an axis holds the R pixels between the centres of cells i and i + 1, i = -1 at the border. They
    depend on the cells i - 1 .. i + 2, with the frame on i - 2 .. i + 3, and beyond the border on the cell at the
    border.
    """
    _, height, width = maps.shape
    weights = _block_weights(stride, interpolation)
    source, row, column = _marked(_reaching(maps, weights, threshold))

    side = torch.arange(_REACH, device=maps.device)[:, None] - 3
    rows, columns = (row + side).clamp(0, height - 1), (column + side).clamp(0, width - 1)  # (6, N)
    short = torch.int32 if maps.numel() < 2**31 else torch.int64  # torch gathers twice as fast by short indices
    place = (((source * height + rows) * width).to(short)[:, None] + columns.to(short)).flatten()
    cells = maps.flatten().index_select(0, place)
    kernel = weights.to(maps.device, _exact(maps))
    pixels = kernel @ cells.to(kernel.dtype).reshape(_REACH, -1)  # along y: (R + 2, 6 N)
    pixels = (kernel @ pixels.reshape(stride + 2, _REACH, -1)).float()  # along x: (R + 2, R + 2, N)

    frame = torch.arange(-1, stride + 1, device=maps.device)[:, None]
    x, y = ((block - 1) * stride + stride // 2 for block in (column, row))
    outside_x, outside_y = (
        (first + frame < 0) | (first + frame >= size * stride) for first, size in ((x, width), (y, height))
    )
    return _Tiles(pixels.masked_fill_(outside_y[:, None] | outside_x, -math.inf), source, x, y)


def _reaching(maps: torch.Tensor, weights: torch.Tensor, threshold: float) -> torch.Tensor:
    """Mark ``(M, h + 1, w + 1)`` blocks of which a pixel may reach the threshold.

    The two middle cells of an axis have weights of at least 0, the two outer ones of at most 0. So of the 4x4 cells of
    a block the 2x2 in the middle and the four corners count for a response, the others against it, by as much as the
    deepest cell allows. What is missing to the threshold must come from the middle, to nine tenths, or the corners.
    """
    inner, outer = float(weights[1:-1, 2:4].sum(1).max()), float(weights[1:-1, [1, 4]].sum(1).abs().max())
    missing = threshold * (1 - 1e-5) + 2 * inner * outer * maps.amin(dim=(1, 2), keepdim=True).clamp(max=0)
    marks = _spread(_spread(maps >= missing * (0.9 / inner**2), 1, 2), 2, 2)
    if outer:
        corners = _spread(_spread(maps >= missing * (0.1 / outer**2), 1, 4), 2, 4)
        marks |= corners[:, 1:-1, 1:-1]
    return marks


def _spread(marks: torch.Tensor, dim: int, width: int) -> torch.Tensor:
    """Mark all windows of some width along an axis that hold a mark: n become n + width - 1; width 2 or 4."""
    for step in (1, 2)[: width // 2]:
        shape = list(marks.shape)
        length, shape[dim] = shape[dim], shape[dim] + step
        spread = marks.new_zeros(shape)
        spread.narrow(dim, 0, length).copy_(marks)
        spread.narrow(dim, step, length).logical_or_(marks)
        marks = spread
    return marks


@lru_cache(maxsize=8)
def _block_weights(stride: int, interpolation: str) -> torch.Tensor:
    """Return ``(R + 2, 6)`` float64 weights along one axis: pixels of a block and its two neighbours x cells."""
    weights = torch.zeros(stride + 2, _REACH, dtype=torch.float64)
    for pixel in range(stride + 2):
        position = (stride // 2 + pixel - 0.5) / stride - 0.5  # in cells, from cell i
        cell = math.floor(position)
        t = position - cell
        for tap in (0, 1) if interpolation == "bilinear" else (-1, 0, 1, 2):
            distance = abs(t - tap)
            weights[pixel, 2 + cell + tap] = 1 - distance if interpolation == "bilinear" else _cubic(distance)
    return weights


def _cubic(x: float) -> float:
    """Return the cubic convolution kernel at a distance of ``x`` cells (Keys, 1981)."""
    a = _CUBIC_A
    return ((a + 2) * x - (a + 3)) * x * x + 1 if x <= 1 else ((x - 5) * x + 8) * x * a - 4 * a


def _local_maxima(tiles: _Tiles, threshold: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return map index ``(n,)``, position ``(n, 2)`` float32 px and response ``(n,)`` of every peak."""
    pixels = tiles.pixels
    y, x, tile = _marked(_not_exceeded(pixels, threshold, first=True))
    responses = pixels[y + 1, x + 1, tile]

    dy, dx = torch.tensor(_AFTER, device=pixels.device).unbind(1)
    tied = pixels[y[:, None] + 1 + dy, x[:, None] + 1 + dx, tile[:, None]] == responses[:, None]
    centre = torch.stack([x + tiles.x[tile], y + tiles.y[tile]], dim=1).float()
    if tied.any():
        # Where a neighbour exceeds one of the equals, none of them is a peak. It may lie in another tile.
        whole = _marked(_not_exceeded(pixels, threshold, first=False))
        summit = torch.isin(_places(tiles, y[:, None] + dy, x[:, None] + dx, tile[:, None]), _places(tiles, *whole))
        centre = centre + (tied.float() @ torch.stack([dx, dy], dim=1).float()) / (1 + tied.sum(1, keepdim=True))
        peak = (summit | ~tied).all(1)
        return tiles.source[tile[peak]], centre[peak], responses[peak]
    return tiles.source[tile], centre, responses


def _not_exceeded(pixels: torch.Tensor, threshold: float, first: bool) -> torch.Tensor:
    """Mark ``(H, W, N)`` pixels inside the frame that reach the threshold and that no neighbour exceeds.

    Args:
        pixels: ``(H + 2, W + 2, N)``.
        threshold: Lowest response.
        first: Mark of equal neighbours only the first in reading order.
    """
    inner = pixels[1:-1, 1:-1]
    rows = torch.maximum(torch.maximum(pixels[:, :-2], pixels[:, 2:]), pixels[:, 1:-1])
    before = torch.maximum(rows[:-2], pixels[1:-1, :-2])  # the highest of the four neighbours that are read before
    after = torch.maximum(rows[2:], pixels[1:-1, 2:])
    marks = inner > before if first else inner >= before
    return marks.logical_and_(inner >= after).logical_and_(inner >= threshold)


def _marked(marks: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return the indices of all marks, one tensor a dimension, in reading order."""
    if marks.device.type == "cpu":  # where torch's nonzero is ten times slower than NumPy's
        flat = torch.from_numpy(np.flatnonzero(marks.numpy()))
    else:
        flat = marks.flatten().nonzero()[:, 0]
    return torch.unravel_index(flat, marks.shape)


def _places(tiles: _Tiles, y: torch.Tensor, x: torch.Tensor, tile: torch.Tensor) -> torch.Tensor:
    """Return one number for each pixel of each map, whatever tile it is in."""
    return (tiles.source[tile] << 40) + ((tiles.y[tile] + y) << 20) + (tiles.x[tile] + x)


def _keep_best(
    index: torch.Tensor, xy: torch.Tensor, responses: torch.Tensor, shape: tuple[int, int], topk: int
) -> Peaks:
    """Sort the peaks of each map by response, then position, and lay the first ``topk`` out in a table."""
    order = torch.arange(len(index), device=index.device)
    for key, descending in ((xy[:, 0], False), (xy[:, 1], False), (responses, True), (index, False)):
        order = order[torch.sort(key[order], stable=True, descending=descending).indices]
    index, xy, responses = index[order], xy[order], responses[order]
    counts = torch.bincount(index, minlength=shape[0] * shape[1])
    rank = torch.arange(len(index), device=index.device) - (counts.cumsum(0) - counts)[index]
    kept = rank < topk
    most = min(topk, int(counts.max()))
    table = Peaks(xy.new_zeros(shape[0] * shape[1], most, 2), xy.new_zeros(shape[0] * shape[1], most))
    table.xy[index[kept], rank[kept]] = xy[kept]
    table.responses[index[kept], rank[kept]] = responses[kept]
    return Peaks(table.xy.reshape(*shape, most, 2), table.responses.reshape(*shape, most))


def _exact(maps: torch.Tensor) -> torch.dtype:
    """Return the type to interpolate in: float64, but Apple's GPUs have none."""
    return torch.float32 if maps.device.type == "mps" else torch.float64
