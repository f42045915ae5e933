"""Keypoint candidates: the peaks of the heatmaps (Sec. 2.2).

A peak is a pixel of the interpolated heatmap that reaches the threshold and that no pixel of its 3x3 window exceeds.
``surface.py`` interpolates the heatmap, everywhere or only where peaks are possible, with the same peaks.
``localize.py`` computes positions between the pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gog_pose.geometry import cells_to_image
from gog_pose.maps.localize import TAPS, climb, first_cells, read_vectors, taylor, unbias, windows
from gog_pose.maps.surface import Interpolate, Tiles, blocks

if TYPE_CHECKING:
    import torch

# Responses lie around [0, 1]. Larger values belong to broken maps; the limit keeps products of responses finite.
LIMIT = 1e6
_OVERLAP = 0.75  # remaining part of the area of responses that overlap
_AFTER = np.array([(0, 1), (1, -1), (1, 0), (1, 1)])  # the neighbors (dy, dx) after a pixel in reading order

LOCALIZERS = ("bicubic", "bilinear", "subpixel", "cell", "dark")


class Peaks(NamedTuple):
    """Keypoint candidates of a batch, at most n per type, sorted by the response of their pixel, highest first.

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
    localizer: str = "bicubic",
    sigma: float = 7.0,
    interpolate: Interpolate = blocks,
) -> Peaks:
    """Find the keypoint candidates of every type.

    Neighbors with the same response are one peak, at the center of those in the window of the first in reading order.
    A keypoint halfway between two pixels is thus found between them.

    The search always runs on the CPU, because it is little work in many small steps.

    Args:
        heatmaps: ``(B, K, h, w)`` of any floating type. Values that are not finite count as 0.
        stride: Px of the input image per cell, R.
        topk: Candidates kept per type.
        threshold: Lowest response of a candidate, positive.
        localizer: Position of a peak. ``bicubic`` (the paper's) and ``bilinear``: the highest pixel of the map,
            upsampled R times. ``subpixel``: the maximum of the bicubic surface between the pixels, corrected for the
            shift of a Gaussian's maximum. ``cell``: the highest cell. ``dark``: the center of a Gaussian fitted to the
            cells around it.
        sigma: Standard deviation of the responses, px, input image, for ``subpixel`` and ``dark``.
        interpolate: ``blocks`` (only where peaks are possible) or ``whole_maps``; both give the same peaks.

    Returns:
        The peaks, on the device of the maps.
    """
    import torch  # here, so that ``gog_pose.runtime`` works without it

    batch, types, height, width = heatmaps.shape
    if not heatmaps.numel():
        return Peaks(*(heatmaps.new_zeros(batch, types, 0, *last, dtype=torch.float32) for last in ((2,), ())))
    maps = finite(heatmaps.detach().reshape(batch * types, height, width).float().cpu().numpy())
    interpolation = "bilinear" if localizer == "bilinear" else "bicubic"
    scale = 1 if localizer in ("cell", "dark") else stride  # pixels per cell of the searched map

    def search(some: np.ndarray, least: float) -> tuple[np.ndarray, ...]:
        return _keep_best(*_local_maxima(interpolate(some, scale, least, interpolation), least), topk)

    source, rank, xy, responses = _best_peaks(maps, search, topk, threshold, sigma / stride)

    if localizer == "subpixel":
        first = first_cells(xy, stride)
        size = np.array([width, height])
        xy, heights = climb(windows(maps, source, first, TAPS), first, size, xy, stride)
        responses = above_zero(heights, responses)
        xy = unbias(xy, stride, sigma)
    elif localizer == "dark":
        xy = taylor(maps, source, xy, sigma / stride)
    if scale != stride:
        xy = cells_to_image(xy, stride)

    most = int(rank.max(initial=-1)) + 1
    table = np.zeros((batch * types, most, 3), dtype=np.float32)
    table[source, rank, :2] = xy
    table[source, rank, 2] = responses
    peaks = torch.from_numpy(table.reshape(batch, types, most, 3)).to(heatmaps.device)
    return Peaks(peaks[..., :2], peaks[..., 2])


def above_zero(heights: np.ndarray, responses: np.ndarray) -> np.ndarray:
    """Return heights of the surface, or the responses of the highest pixels where the heights are not positive.

    The surface of a broken map may lie below 0 between equal pixels, which would count as no peak.
    """
    return np.where(heights > 0, heights, responses)


def refine_peaks(peaks: Peaks, refinements: torch.Tensor, stride: int) -> Peaks:
    """Move peaks by the refinement offsets at their positions, interpolated bilinearly.

    Args:
        peaks: Peaks of B images.
        refinements: ``(B, 2, h, w)`` px, input image, shared by all types. Offsets that are not finite count as 0.
        stride: Px of the input image per cell, R.
    """
    import torch

    xy = peaks.xy.flatten(1, 2)[:, None]  # (B, 1, K n, 2)
    moves = read_vectors(refinements[:, None], xy, stride).reshape(peaks.xy.shape)
    moved = peaks.xy + torch.where(moves.isfinite().all(dim=-1, keepdim=True), moves, 0)
    return Peaks(torch.where(peaks.responses[..., None] > 0, moved, 0), peaks.responses)


def finite(maps: np.ndarray) -> np.ndarray:
    """Return maps with finite responses within the limit; the given array if all its responses already are."""
    with np.errstate(over="ignore", invalid="ignore"):
        if np.vdot(maps, maps) <= LIMIT**2:  # the squares of all; false if there is a nan
            return maps
    return np.asarray(np.nan_to_num(maps, nan=0.0, posinf=0.0, neginf=0.0).clip(-LIMIT, LIMIT))


def _best_peaks(
    maps: np.ndarray,
    search: Callable[[np.ndarray, float], tuple[np.ndarray, ...]],
    topk: int,
    threshold: float,
    sigma: float,
) -> tuple[np.ndarray, ...]:
    """Return the peaks that ``search`` finds at the threshold, without searching low responses of crowded maps.

    Args:
        maps: ``(M, h, w)`` finite responses.
        search: Function of maps and a threshold that returns the best peaks: map, rank, xy, response.
        topk: Largest number of peaks that it returns per map.
        threshold: Lowest response of a peak.
        sigma: Standard deviation of the responses, cells.
    """
    high = max(threshold, float(maps.max()) / 2)
    area = 2 * math.pi * math.log(2) * sigma**2  # number of cells of a response above half of its height
    counts = np.array([np.count_nonzero(marks) for marks in maps >= high])  # count_nonzero with an axis is slow
    full = np.flatnonzero(counts >= _OVERLAP * topk * area)
    if not len(full):
        return search(maps, threshold)
    found = search(maps[full], high)
    complete = np.bincount(found[0], minlength=len(full)) == topk
    others = np.delete(np.arange(len(maps)), full[complete])
    parts = [(full, [field[complete[found[0]]] for field in found])]
    if len(others):
        parts.append((others, list(search(maps[others], threshold))))
    for where, part in parts:
        part[0] = where[part[0]]
    return tuple(np.concatenate(fields) for fields in zip(*(part for _, part in parts), strict=True))


def _local_maxima(tiles: Tiles, threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return map index ``(n,)``, position ``(n, 2)`` px and response ``(n,)`` of every peak."""
    pixels = tiles.pixels
    y, x, tile = np.nonzero(_not_exceeded(pixels, threshold, first=True))
    responses = pixels[y + 1, x + 1, tile]

    dy, dx = _AFTER.T
    tied = pixels[y[:, None] + 1 + dy, x[:, None] + 1 + dx, tile[:, None]] == responses[:, None]
    center = np.stack([x + tiles.x[tile], y + tiles.y[tile]], axis=1).astype(np.float64)
    if tied.any():
        # If any of several equal pixels has a higher neighbor, none is a peak. The neighbor may lie in another tile.
        whole = np.nonzero(_not_exceeded(pixels, threshold, first=False))
        summit = np.isin(_places(tiles, y[:, None] + dy, x[:, None] + dx, tile[:, None]), _places(tiles, *whole))
        center += (tied @ _AFTER[:, ::-1]) / (1 + tied.sum(axis=1, keepdims=True))
        peak = (summit | ~tied).all(axis=1)
        return tiles.source[tile[peak]], center[peak], responses[peak]
    return tiles.source[tile], center, responses


def _not_exceeded(pixels: np.ndarray, threshold: float, first: bool) -> np.ndarray:
    """Mark ``(H, W, N)`` pixels inside the frame that reach the threshold and that no neighbor exceeds.

    Args:
        pixels: ``(H + 2, W + 2, N)``.
        threshold: Lowest response.
        first: Among equal neighbors mark only the first in reading order.
    """
    inner = pixels[1:-1, 1:-1]
    rows = np.maximum(np.maximum(pixels[:, :-2], pixels[:, 2:]), pixels[:, 1:-1])
    before = np.maximum(rows[:-2], pixels[1:-1, :-2])  # the highest of the four neighbors before it in reading order
    after = np.maximum(rows[2:], pixels[1:-1, 2:])
    marks: np.ndarray = inner > before if first else inner >= before
    marks &= inner >= np.maximum(after, np.float32(threshold))
    return marks


def _places(tiles: Tiles, y: np.ndarray, x: np.ndarray, tile: np.ndarray) -> np.ndarray:
    """Return a unique number for each pixel of each map, the same in every tile."""
    return np.asarray((tiles.source[tile] << 40) + ((tiles.y[tile] + y) << 20) + (tiles.x[tile] + x))


def _keep_best(source: np.ndarray, xy: np.ndarray, responses: np.ndarray, topk: int) -> tuple[np.ndarray, ...]:
    """Return map, rank, position and response of the best peaks per map, the highest first; ties by position."""
    order = np.lexsort((xy[:, 0], xy[:, 1], -responses, source))
    source, xy, responses = source[order], xy[order], responses[order]
    rank = np.arange(len(source)) - np.searchsorted(source, source)
    kept = rank < topk
    return source[kept], rank[kept], xy[kept], responses[kept]
