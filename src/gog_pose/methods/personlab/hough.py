"""Hough score maps: each px of a disk votes for the place of its keypoint (Eq. 1 of PersonLab's paper).

The maps have the size of the input image, but only tiles of px that receive votes are held, and only px between cells
of which one responds vote.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from gog_pose.geometry import cells_to_image

_SHIFT = 4
_TILE = 1 << _SHIFT  # px per side
_WITHIN = _TILE - 1
_SHARED = _TILE + 1  # the last row and column are the first of the next tile while votes are counted
_LEAST = 0.01  # probability; px between cells of lower ones do not vote


@dataclass(frozen=True)
class HoughMaps:
    """Scores of an image.

    Attributes:
        size: ``(H, W)`` px, input image.
        numbers: ``(K, th, tw)`` int64, which tile is where, counted in this order; 0 = none.
        tiles: ``(N, 16, 16)`` float32 scores; those of tile 0 are 0. Px (x, y) is at (x + 1, y + 1) of the tiles, so
            that votes beside the image need no care.
    """

    size: tuple[int, int]
    numbers: np.ndarray
    tiles: np.ndarray

    def at(self, kinds: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the scores at whole px, which may lie beside the image by one."""
        x, y = x + 1, y + 1
        return np.asarray(self.tiles[self.numbers[kinds, y // _TILE, x // _TILE], y % _TILE, x % _TILE])

    def peaks(self, threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return type, ``(N, 2)`` x and y (px) and score of the px that none of the eight around it exceeds.

        Of equal neighbors the first in reading order stands for all.
        """
        kinds, row, column = np.nonzero(self.numbers)
        high = self.tiles[1:] >= threshold
        tile, within_y, within_x = np.unravel_index(np.flatnonzero(high), high.shape)
        kinds, x, y = kinds[tile], column[tile] * _TILE + within_x - 1, row[tile] * _TILE + within_y - 1
        inside = (x >= 0) & (y >= 0) & (x < self.size[1]) & (y < self.size[0])
        kinds, x, y = kinds[inside], x[inside], y[inside]
        scores = self.at(kinds, x, y)
        best = np.ones(len(kinds), dtype=bool)
        for dy, dx in ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)):
            other = self.at(kinds, x + dx, y + dy)
            best &= scores > other if (dy, dx) < (0, 0) else scores >= other
        return kinds[best], np.stack([x, y], axis=1)[best], scores[best]

    def window(self, kind: int, left: int, top: int, right: int, bottom: int) -> np.ndarray:
        """Return the scores ``(bottom - top, right - left)`` of a window in the image, px."""
        rows = slice((top + 1) // _TILE, bottom // _TILE + 1)
        columns = slice((left + 1) // _TILE, right // _TILE + 1)
        tiles = self.tiles[self.numbers[kind, rows, columns]]  # (th, tw, 16, 16)
        whole = tiles.transpose(0, 2, 1, 3).reshape(tiles.shape[0] * _TILE, -1)
        y, x = top + 1 - rows.start * _TILE, left + 1 - columns.start * _TILE
        return np.asarray(whole[y : y + bottom - top, x : x + right - left])


class _Votes(NamedTuple):
    """Votes of the R^2 px of n squares, ``(R R, n)`` each: the px left and above, how far it is beyond, the weight.

    Px are counted from one beside the image on. ``kinds (n,)`` says for which type the votes are.
    """

    kinds: np.ndarray
    x: np.ndarray
    y: np.ndarray
    tx: np.ndarray
    ty: np.ndarray
    weights: np.ndarray


def hough_maps(
    heatmaps: np.ndarray, short_offsets: np.ndarray, *, stride: int, radius: float, least: float = _LEAST
) -> HoughMaps:
    """Count votes: a px x between cells votes with its probability / (pi R^2) for the four px around x + S(x).

    Args:
        heatmaps: ``(K, h, w)`` finite probabilities; read bilinearly between cells, as offsets are.
        short_offsets: ``(2K, h, w)`` S, finite, px of the input image.
        stride: Px of the input image per cell.
        radius: R of the disks, px of the input image.
        least: Px do not vote where the probability at all cells around them is at most this.
    """
    types, height, width = heatmaps.shape
    size = height * stride, width * stride
    votes = _votes(heatmaps, short_offsets, stride, least, size)
    numbers = np.zeros((types, *((side + 1) // _TILE + 2 for side in size)), dtype=np.int64)
    flat, below = numbers.reshape(-1), numbers.shape[2]
    tiles_of_votes = (votes.y >> _SHIFT) * below + (votes.x >> _SHIFT) + votes.kinds * (numbers.shape[1] * below)
    flat[tiles_of_votes] = 1
    reached = np.flatnonzero(flat)
    for step in (1, below, below + 1):  # votes for the four px around a place reach the next tiles
        flat[reached + step] = 1
    used = np.flatnonzero(flat)
    flat[used] = np.arange(1, len(used) + 1)

    area = _SHARED**2
    starts = flat * area
    places = (starts[tiles_of_votes] + (votes.y & _WITHIN) * _SHARED + (votes.x & _WITHIN)).reshape(-1)
    on_right, below_all = votes.tx * votes.weights, votes.ty * votes.weights
    on_both = votes.tx * below_all
    counts = np.zeros((len(used) + 1) * area, dtype=np.float32)
    for step, share in (
        (0, votes.weights - on_right - below_all + on_both),
        (1, on_right - on_both),
        (_SHARED, below_all - on_both),
        (_SHARED + 1, on_both),
    ):
        view = torch.from_numpy(counts[step:])  # shares memory; NumPy has nothing as fast
        view.index_add_(0, torch.from_numpy(places), torch.from_numpy(share.reshape(-1)))
    tiles = counts.reshape(-1, _SHARED, _SHARED)
    for axis, step in ((2, 1), (1, below)):
        lines = np.moveaxis(tiles, axis, 0)
        lines[0, flat[np.minimum(used + step, flat.size - 1)]] += lines[_TILE, flat[used]]
    tiles[0] = 0
    return HoughMaps(size, numbers, tiles[:, :_TILE, :_TILE] / np.float32(math.pi * radius**2))


def _votes(heatmaps: np.ndarray, short_offsets: np.ndarray, stride: int, least: float, size: tuple[int, int]) -> _Votes:
    """Return the votes of all px in squares between four cells of which one exceeds ``least``."""
    types, height, width = heatmaps.shape
    framed = np.pad(heatmaps, ((0, 0), (1, 1), (1, 1)), mode="edge")
    along = np.maximum(framed[:, :, :-1], framed[:, :, 1:])
    squares = np.maximum(along[:, :-1], along[:, 1:]) > least
    kinds, top, left = np.unravel_index(np.flatnonzero(squares), squares.shape)  # np.nonzero is slow in 3 axes
    rows, columns = top + np.array([[-1], [-1], [0], [0]]), left + np.array([[-1], [0], [-1], [0]])  # (4, n)
    inner = kinds, rows.clip(0, height - 1), columns.clip(0, width - 1)  # beyond the outer cells they go on as there
    x_offsets, y_offsets = short_offsets.reshape(types, 2, height, width).swapaxes(0, 1)
    corners = [
        heatmaps[inner],
        cells_to_image(columns, stride) + x_offsets[inner],
        cells_to_image(rows, stride) + y_offsets[inner],
    ]
    # A px's place plus its offset is, like both, bilinear between the four cells.
    steps = _first_px(stride) + np.arange(stride)  # px from the cell left and above
    line = np.stack([1 - steps / stride, steps / stride], axis=1)  # (R, 2)
    shares = np.einsum("ya,xb->yxab", line, line).reshape(-1, 4).astype(np.float32)  # (R R, 4) for each px of a square
    weights, x, y = shares @ np.stack(corners).astype(np.float32)  # (R R, n) each

    (outer,) = np.nonzero((top == 0) | (left == 0) | (top == height) | (left == width))
    if len(outer):
        own_x = cells_to_image(columns[0, outer], stride) + np.tile(steps, stride)[:, None]
        own_y = cells_to_image(rows[0, outer], stride) + np.repeat(steps, stride)[:, None]
        weights[:, outer] *= (own_x >= 0) & (own_y >= 0) & (own_x < size[1]) & (own_y < size[0])
    for places, side in ((x, size[1]), (y, size[0])):
        if places.size and (places.min() <= -1 or places.max() >= side):
            beside = (places <= -1) | (places >= side)
            weights[beside], places[beside] = 0, 0
        places += 1
    whole_x, whole_y = x.astype(np.int32), y.astype(np.int32)
    return _Votes(kinds, whole_x, whole_y, x - whole_x.astype(np.float32), y - whole_y.astype(np.float32), weights)


def _first_px(stride: int) -> float:
    """Return how far the first px after the center of a cell is from there: none where the center is a px."""
    return 0.0 if stride % 2 else 0.5
