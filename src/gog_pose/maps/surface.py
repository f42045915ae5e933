"""Interpolated heatmaps, complete or only where peaks are possible (Sec. 2.2).

- ``whole_maps`` interpolates complete maps. It is the reference in tests.
- ``blocks`` interpolates only the blocks of pixels that bounds on the cells do not exclude: the pixels of such a block
  may reach the threshold, and the block does not rise everywhere towards one side, as the flanks of a response do. Of
  the eighty blocks of a keypoint's Gaussian, about five remain.

Both interpolate in float64 and round the result to float32. If the stride is a power of two, the weights of cubic
interpolation are short binary fractions, so the order of summation does not affect the result: ties remain ties (a
keypoint between two pixels, a constant map), mirrored maps have mirrored peaks, and both functions return exactly the
same pixels. At other strides they agree up to rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np

from gog_pose.geometry import image_to_cells

SLOPE = 0.75  # of the surface at a cell, per difference of the next and the previous cell; as in torch and OpenCV
# Between cells i and i + 1 the bicubic surface is, along an axis, (1, t, t^2, t^3) @ CUBIC @ cells i - 1 .. i + 2:
# the cubic through both cells with those slopes (Keys, 1981).
CUBIC = np.array(
    [
        [0, 1, 0, 0],
        [-SLOPE, 0, SLOPE, 0],
        [2 * SLOPE, SLOPE - 3, 3 - 2 * SLOPE, -SLOPE],
        [-SLOPE, 2 - SLOPE, SLOPE - 2, SLOPE],
    ]
)
_OUTER = SLOPE / 4  # largest absolute sum of the two outer weights along an axis; the inner two sum to 1 + this
_MOST_INNER, _MOST_CORNER, _MOST_NEGATIVE = (1 + _OUTER) ** 2, _OUTER**2, 2 * _OUTER * (1 + _OUTER)
_REACH = 6  # cells per side that determine a block of pixels and the pixels next to it
_FRAME = 3  # cells around a map, so that every window lies inside the array
_CHUNK = 8192  # blocks per step, so that their windows stay in the cache of a core
# Rises below this part of the largest response may be rounding errors, of the float32 sums here or of the pixels.
_MARGIN = 1e-5


class Tiles(NamedTuple):
    """N pieces of interpolated maps, all of the same size.

    Attributes:
        pixels: ``(H + 2, W + 2, N)`` float32 responses, with a frame of one pixel that belongs to the neighbors; minus
            infinity outside the image.
        source: ``(N,)`` index of the map of each tile.
        x: ``(N,)`` x of the first pixel inside the frame, px, input image.
        y: ``(N,)`` y of the same pixel.
    """

    pixels: np.ndarray
    source: np.ndarray
    x: np.ndarray
    y: np.ndarray


Interpolate: TypeAlias = Callable[[np.ndarray, int, float, str], Tiles]  # maps, stride, threshold, interpolation


def whole_maps(maps: np.ndarray, stride: int, threshold: float, interpolation: str) -> Tiles:
    """Interpolate complete ``(M, h, w)`` maps; the threshold is not used."""
    import torch  # here, so that ``gog_pose.runtime`` works without it
    import torch.nn.functional as F

    size = (maps.shape[1] * stride, maps.shape[2] * stride)
    image = F.interpolate(torch.from_numpy(maps)[None].double(), size, mode=interpolation, align_corners=False)[0]
    pixels = F.pad(image.float(), (1, 1, 1, 1), value=-math.inf).permute(1, 2, 0)
    source = np.arange(len(maps))
    return Tiles(pixels.numpy(), source, 0 * source, 0 * source)


def blocks(maps: np.ndarray, stride: int, threshold: float, interpolation: str) -> Tiles:
    """Interpolate the blocks of ``(M, h, w)`` maps that may hold a peak.

    Along an axis, block i holds the R pixels between the centers of cells i and i + 1; i = -1 at the border. The pixels
    depend on cells i - 1 .. i + 2, and including the frame on i - 2 .. i + 3. Beyond the border, the cell at the border
    is repeated.
    """
    _, height, width = maps.shape
    weights = _block_weights(stride, interpolation)
    framed = np.empty((len(maps), height + 2 * _FRAME, width + 2 * _FRAME), dtype=np.float32)
    framed[:, _FRAME:-_FRAME, _FRAME:-_FRAME] = maps
    for border in (slice(_FRAME), slice(-_FRAME, None)):  # nan beyond the border, where no bound holds
        framed[:, border] = framed[:, :, border] = np.nan
    lowest = maps.min(axis=(1, 2))
    margin = _MARGIN * float(max(maps.max(), -lowest.min()))
    with np.errstate(invalid="ignore"):
        index = np.flatnonzero(_reaching(framed, lowest, weights, threshold))
        index = index[~_rising(framed, index, _rise_weights(stride, interpolation), margin)]
    source, row, column = np.unravel_index(index, framed.shape)
    row, column = row - _FRAME, column - _FRAME

    side = np.arange(_REACH)[:, None] - 2
    rows, columns = np.clip(row + side, 0, height - 1), np.clip(column + side, 0, width - 1)  # (6, N)
    cells = maps.reshape(-1)[((source * height + rows) * width)[:, None] + columns]
    pixels = weights @ cells.reshape(_REACH, -1).astype(np.float64)  # along y: (R + 2, 6 N)
    pixels = (weights @ pixels.reshape(stride + 2, _REACH, -1)).astype(np.float32)  # along x: (R + 2, R + 2, N)

    frame = np.arange(-1, stride + 1)[:, None]
    x, y = (block * stride + stride // 2 for block in (column, row))
    outside_x, outside_y = (
        (first + frame < 0) | (first + frame >= size * stride) for first, size in ((x, width), (y, height))
    )
    pixels[outside_y[:, None] | outside_x] = -math.inf
    return Tiles(pixels, source, x, y)


@lru_cache(maxsize=8)
def _block_weights(stride: int, interpolation: str) -> np.ndarray:
    """Return ``(R + 2, 6)`` weights along one axis: pixels of a block and one on each side x cells i - 2 .. i + 3."""
    positions = (stride // 2 + np.arange(stride + 2) - 0.5) / stride - 0.5  # in cells, from cell i
    cells = np.floor(positions).astype(np.intp)
    t = positions - cells
    weights = np.zeros((len(t), _REACH))
    weights[np.arange(len(t))[:, None], 1 + cells[:, None] + np.arange(4)] = weights_between(t, interpolation)
    return weights


def weights_between(t: np.ndarray, interpolation: str) -> np.ndarray:
    """Return ``(n, 4)`` weights of cells i - 1 .. i + 2 for the fractions ``t (n,)`` between cells i and i + 1."""
    if interpolation == "bilinear":
        return np.stack([0 * t, 1 - t, t, 0 * t], axis=1)
    return np.asarray(t[:, None] ** np.arange(4) @ CUBIC)


def read_surface(maps: np.ndarray, source: np.ndarray, xy: np.ndarray, stride: int) -> np.ndarray:
    """Read bicubic surfaces at points.

    Args:
        maps: ``(M, h, w)`` finite responses.
        source: ``(N,)`` the map of each point.
        xy: ``(N, 2)`` px, input image.
        stride: Px of the input image per cell, R.

    Returns:
        ``(N,)`` float64; the cells at the border are repeated beyond it.
    """
    _, height, width = maps.shape
    cells = image_to_cells(xy.T.astype(np.float64, copy=False), stride)
    low = np.floor(cells)
    t = cells - low  # (2, N)
    weights = CUBIC[3, :, None, None]
    for coefficients in CUBIC[2::-1, :, None, None]:  # Horner's scheme
        weights = weights * t + coefficients  # (4, 2, N)
    across, down = weights[:, 0], weights[:, 1]
    column, row = low.astype(np.intp)
    steps = np.arange(-1, 3)[:, None]
    columns = (column + steps).clip(0, width - 1)  # (4, N)
    begins = (source * height + (row + steps).clip(0, height - 1)) * width
    flat, surface = maps.reshape(-1), np.zeros(len(xy))
    # NumPy is fast along rows of N numbers, and a point's value does not depend on the other points.
    for begin, weight in zip(begins, down, strict=True):
        surface += weight * (across * flat.take(begin + columns)).sum(axis=0)
    return surface


def blocks_above(maps: np.ndarray, threshold: float) -> np.ndarray:
    """Mark the blocks between cells in which the bicubic surface may be higher than a threshold.

    Of the 4 x 4 weights of a position, the inner four sum to at most 1.41, the corners to at most 0.04, and the others,
    which are negative, to at least -0.45. To exceed the threshold, one of the 16 cells must be high enough for all
    positive weights together, and one of the inner four must be high enough even if the corners have the highest
    response of the map.

    Args:
        maps: ``(M, h, w)`` finite responses.
        threshold: Response that the surface must exceed.

    Returns:
        ``(M, h + 1, w + 1)`` bool; block i + 1 along an axis lies between the centers of cells i and i + 1.
    """
    count, height, width = maps.shape
    lowest, highest = maps.min(axis=(1, 2), initial=0), maps.max(axis=(1, 2), initial=0)
    missing = threshold + _MOST_NEGATIVE * lowest
    missing -= _MARGIN * np.abs(missing)
    bounds = missing / (_MOST_INNER + _MOST_CORNER), (missing - (_MOST_CORNER + _MARGIN) * highest) / _MOST_INNER
    framed = np.zeros((2, count, height + 4, width + 4), dtype=bool)
    for marks, bound in zip(framed, bounds, strict=True):
        np.greater(maps, bound.astype(np.float32)[:, None, None], out=marks[:, 2:-2, 2:-2])
    window, inner = framed.reshape(2, -1)
    for step in (1, width + 4):
        for flat in (window, inner):
            flat[:-step] |= flat[step:]  # cells i and i + 1
        window[step:-step] = window[: -2 * step] | window[2 * step :]  # i - 1 .. i + 2
    inner &= window
    return framed[1, :, 1:-2, 1:-2]


def _reaching(framed: np.ndarray, lowest: np.ndarray, weights: np.ndarray, threshold: float) -> np.ndarray:
    """Mark blocks with a pixel that may reach the threshold, each at the index of its cell i.

    Along an axis the two middle cells have weights of at least 0, the two outer ones of at most 0. Of the 4x4 cells of
    a block, the 2x2 in the middle and the four corners therefore raise the response. The others lower it, or raise it
    by a bounded amount where the map is negative. The remainder to the threshold must come from the middle (nine
    tenths) or the corners (one tenth).

    Args:
        framed: ``(M, h + 6, w + 6)`` maps.
        lowest: ``(M,)`` their lowest responses.
        weights: Output of ``_block_weights``.
        threshold: Lowest response of a peak.
    """
    inner, outer = float(weights[1:-1, 2:4].sum(1).max()), float(np.abs(weights[1:-1, [1, 4]].sum(1)).max())
    missing: np.ndarray = threshold * (1 - 1e-5) + 2 * inner * outer * np.minimum(lowest, 0)[:, None, None]
    marks: np.ndarray = framed >= (missing * (0.9 / inner**2)).astype(np.float32)
    flat, width = marks.reshape(-1), framed.shape[2]
    for step in (1, width):
        flat[:-step] |= flat[step:]  # cells i and i + 1
    if outer:
        corners = framed >= (missing * (0.1 / outer**2)).astype(np.float32)
        flat = corners.reshape(-1)
        for step in (1, width):
            flat[:-step] |= flat[step:]
            flat[step:-step] = flat[: -2 * step] | flat[2 * step :]  # and i - 1 and i + 2
        marks |= corners
        first, last = _FRAME - 1, -_FRAME
        marks[:, :first] = marks[:, last:] = marks[:, :, :first] = marks[:, :, last:] = False
    return marks


def _rising(framed: np.ndarray, index: np.ndarray, weights: tuple[np.ndarray, ...], margin: float) -> np.ndarray:
    """Mark blocks that rise everywhere towards one side, so that each of their pixels has a higher neighbor there.

    The side is the direction in which the four cells around the block rise most. The rise of every pixel is computed
    exactly. Blocks that depend on cells beyond the border count as not rising.

    Args:
        framed: ``(M, h + 6, w + 6)`` maps.
        index: ``(N,)`` blocks, as indices of their cells i in the flattened maps.
        weights: Output of ``_rise_weights``.
        margin: Rises up to this may be rounding errors.

    Returns:
        ``(N,)`` bool, True = rising.
    """
    flat, width = framed.reshape(-1), framed.shape[2]
    a, b, c, d = (flat[step:].take(index) for step in (0, 1, width, width + 1))
    right, down = (b - a) + (d - c), (c - a) + (d - b)
    upright = np.abs(down) > np.abs(right)
    backward = np.where(upright, down, right) < 0

    rising = np.empty(len(index), dtype=bool)
    cells = np.empty((weights[0].shape[1], _CHUNK), dtype=np.float32)
    for way, rises in zip((1, -1), weights, strict=True):
        for along, across, same in ((1, width, ~upright), (width, 1, upright)):
            # Five cells along the direction of the rise, from the one behind the block; four across it.
            first = -across - (along if way > 0 else 2 * along)
            steps = [(k if way > 0 else 4 - k) * along + j * across for j in range(4) for k in range(5)]
            chosen = np.flatnonzero(same & (backward == (way < 0)))
            for begin in range(0, len(chosen), _CHUNK):
                part = chosen[begin : begin + _CHUNK]
                corner = index[part] + first
                for step, cell in zip(steps, cells, strict=True):
                    flat[step:].take(corner, mode="clip", out=cell[: len(part)])
                rising[part] = (rises @ cells[:, : len(part)]).min(axis=0) > margin
    return rising


@lru_cache(maxsize=8)
def _rise_weights(stride: int, interpolation: str) -> tuple[np.ndarray, np.ndarray]:
    """Return ``(R * R, 20)`` float32 weights of a pixel's rise to the next one, forwards and backwards along an axis.

    The cells are four across the axis times five along it, from the one behind the block in the direction of the rise.
    """
    pixels = _block_weights(stride, interpolation)
    forwards = (pixels[2:] - pixels[1:-1])[:, 1:]
    backwards = (pixels[:-2] - pixels[1:-1])[:, 4::-1]
    across = pixels[1:-1, 1:-1]
    rises = (np.einsum("pj,qk->pqjk", across, along) for along in (forwards, backwards))
    first, second = (rise.reshape(stride * stride, -1).astype(np.float32) for rise in rises)
    return first, second
