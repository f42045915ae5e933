"""Hough score maps: each px of a disk votes for the position of its keypoint (Eq. 1 of PersonLab's paper).

The maps have the size of the input image, but only px next to a cell with a response vote. If the four cells around a
square of px point to the same px, a few points in the square vote for all of its px.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from gog_pose.geometry import cells_to_image

_LEAST = 0.01  # probability; px between cells with lower probabilities do not vote
_BLOCK = 8192  # squares per step, so that their arrays stay in the cache


@dataclass(frozen=True)
class HoughMaps:
    """Scores of an image.

    Attributes:
        scores: ``(K, H + 2, W + 2)`` float32; px (x, y) is at (x + 1, y + 1), and px outside the image have score 0.
        voted: ``(K, H + 2)`` bool, True for rows with votes.
    """

    scores: np.ndarray
    voted: np.ndarray

    @property
    def size(self) -> tuple[int, int]:
        """``(H, W)`` px, input image."""
        return self.scores.shape[1] - 2, self.scores.shape[2] - 2

    def at(self, kinds: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the scores at whole px, which may lie outside the image by one px."""
        return np.asarray(self.scores[kinds, y + 1, x + 1])

    def peaks(self, threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return type, ``(N, 2)`` x and y (px) and score of the px that no neighbor exceeds.

        The threshold is positive. Of equal neighbors, only the first in reading order is a peak.
        """
        parts = []
        for kind in np.flatnonzero(self.voted.any(axis=1)).tolist():
            rows = np.flatnonzero(self.voted[kind])
            first = rows[0]
            searched = self.scores[kind, first : rows[-1] + 1]
            y, x = np.divmod(np.flatnonzero(searched >= threshold), searched.shape[1])
            parts.append((np.full(len(x), kind), x - 1, y + first - 1))
        if not parts:
            return np.zeros(0, dtype=np.int64), np.zeros((0, 2), dtype=np.int64), np.zeros(0, dtype=np.float32)
        kinds, x, y = map(np.concatenate, zip(*parts, strict=True))
        scores = self.at(kinds, x, y)
        best = np.ones(len(kinds), dtype=bool)
        for dy, dx in ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)):
            other = self.at(kinds, x + dx, y + dy)
            best &= scores > other if (dy, dx) < (0, 0) else scores >= other
        return kinds[best], np.stack([x, y], axis=1)[best], scores[best]

    def windows(self, kinds: np.ndarray, left: np.ndarray, top: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Return the ``(N, h, w)`` scores of windows of size ``(h, w)``, by the px of their upper left corners."""
        around = np.lib.stride_tricks.sliding_window_view(self.scores, size, axis=(1, 2))
        return np.asarray(around[kinds, top + 1, left + 1])


class _Squares(NamedTuple):
    """Squares of px between four cells.

    Attributes:
        kinds: ``(n,)`` types for which they vote.
        first: ``(2, n)`` x and y of the upper left cell, px.
        corners: ``(3, 4, n)`` float32 of the four cells: the weight of a vote, and x and y of its target, px.
    """

    kinds: np.ndarray
    first: np.ndarray
    corners: np.ndarray

    def take(self, chosen: np.ndarray) -> _Squares:
        """Return some of the squares."""
        return _Squares(*(field.take(chosen, axis=-1) for field in self))


class _Votes(NamedTuple):
    """Votes for the four px around points.

    Attributes:
        kinds: ``(n,)`` types of the votes.
        low: ``(2, ..., n)`` x and y of the upper left px, whole numbers.
        shares: Four arrays, ``(..., n)`` each: the sum of all votes for the four px, and its parts for the two px on
            the right, for the two lower ones, and for the lower right one.
    """

    kinds: np.ndarray
    low: np.ndarray
    shares: tuple[np.ndarray, ...]


def hough_maps(
    heatmaps: np.ndarray, short_offsets: np.ndarray, *, stride: int, radius: float, least: float = _LEAST
) -> HoughMaps:
    """Count votes: a px x between cells votes with its probability / (pi R^2) for the four px around x + S(x).

    Args:
        heatmaps: ``(K, h, w)`` finite probabilities; like the offsets, interpolated bilinearly between cells.
        short_offsets: ``(2K, h, w)`` S, finite, px of the input image.
        stride: Px of the input image per cell.
        radius: R of the disks, px of the input image.
        least: Px do not vote if the probabilities of all cells around them are at most this.
    """
    types, height, width = heatmaps.shape
    size = height * stride, width * stride
    rows, columns = size[0] + 2, size[1] + 2
    scores = np.zeros((types, rows, columns), dtype=np.float32)
    voted = np.zeros((types, rows), dtype=bool)
    flat, flat_voted = torch.from_numpy(scores.reshape(-1)), voted.reshape(-1)  # both share memory
    for squares in _squares(heatmaps, short_offsets, stride, least):
        squares.corners[0] /= math.pi * radius**2
        agreed = _agreed(squares, stride, size)
        alone, together = (squares.take(np.flatnonzero(those)) for those in (~agreed, agreed))
        for kinds, low, (all_four, right, below, both) in (
            _votes_of_px(alone, stride, size),
            _votes_of_squares(together, stride),
        ):
            x, y = low.astype(np.int64) + 1
            lines = kinds * rows + y
            flat_voted[lines] = True
            places = torch.from_numpy((lines * columns + x).reshape(-1))
            for step, share in (
                (0, all_four - right - below + both),
                (1, right - both),
                (columns, below - both),
                (columns + 1, both),
            ):
                flat[step:].index_add_(0, places, torch.from_numpy(share.reshape(-1)))  # faster than NumPy
    voted[:, 1:] |= voted[:, :-1]
    scores[:, [0, -1]] = scores[voted, 0] = scores[voted, -1] = 0  # px outside the image
    return HoughMaps(scores, voted)


def _squares(heatmaps: np.ndarray, short_offsets: np.ndarray, stride: int, least: float) -> Iterator[_Squares]:
    """Yield the squares with at least one cell above ``least``, in blocks."""
    types, height, width = heatmaps.shape
    weights, x, y = map(_framed, (heatmaps, *short_offsets.reshape(types, 2, height, width).swapaxes(0, 1)))
    columns, rows = (cells_to_image(np.arange(-1, side + 1, dtype=np.float32), stride) for side in (width, height))
    x += columns
    y += rows[:, None]
    along = np.maximum(weights[:, :, :-1], weights[:, :, 1:])
    used = np.maximum(along[:, :-1], along[:, 1:]) > least
    places = np.flatnonzero(used)
    below = width + 2
    for start in range(0, len(places), _BLOCK):
        kinds, top, left = np.unravel_index(places[start : start + _BLOCK], used.shape)
        around = (kinds * (height + 2) + top) * below + left + np.array([[0], [1], [below], [below + 1]])
        corners = np.stack([field.reshape(-1).take(around) for field in (weights, x, y)])
        yield _Squares(kinds, np.stack([columns[left], rows[top]]), corners)


def _agreed(squares: _Squares, stride: int, size: tuple[int, int]) -> np.ndarray:
    """Mark, ``(n,)`` bool, the squares whose px are all in the image and vote for the same four px."""
    low = np.floor(squares.corners[1:])
    agreed = (low == low[:, :1]).all(axis=(0, 1))
    for first, px, side in zip(squares.first, low[:, 0], size[::-1], strict=True):
        agreed &= (first >= 0) & (first + stride < side) & (px >= -1) & (px < side)
    return np.asarray(agreed)


def _votes_of_px(squares: _Squares, stride: int, size: tuple[int, int]) -> _Votes:
    """Return the votes of each px; weights and targets (px plus offset) are interpolated bilinearly between cells."""
    steps = _steps(stride)
    weights, *places = _between(steps, stride) @ squares.corners  # (R R, n) each
    own_steps = np.tile(steps, stride), np.repeat(steps, stride)
    for first, own, there, side in zip(squares.first, own_steps, places, size[::-1], strict=True):
        (outer,) = np.nonzero((first < 0) | (first + stride >= side))
        px = first[outer] + own[:, None]
        weights[:, outer] *= (px >= 0) & (px < side)
        if there.size and (there.min() <= -1 or there.max() >= side):
            beside = (there <= -1) | (there >= side)
            weights[beside], there[beside] = 0, 0
    low = np.floor(places)
    return _Votes(squares.kinds, low, _shares(weights, *(places - low)))


def _votes_of_squares(squares: _Squares, stride: int) -> _Votes:
    """Return the votes of all px of squares whose px vote for the same four px.

    The shares of such px are products of three linear functions along x and along y. The sum of a cubic function over
    consecutive px equals that over two points of the same mean and variance (Gauss), so four points vote for all px.
    """
    steps = _steps(stride)
    weights, *places = _between(steps.mean() + steps.std() * np.array([-1, 1]), stride) @ squares.corners  # (4, n) each
    weights *= stride**2 / 4
    low = np.floor(squares.corners[1:, 0])
    shares = _shares(weights, *(places - low[:, None]))
    return _Votes(squares.kinds, low, tuple(part.sum(axis=0) for part in shares))


def _shares(weights: np.ndarray, tx: np.ndarray, ty: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return the shares of votes (``_Votes``) for points ``(tx, ty)`` px right of and below the upper left px."""
    right, below = tx * weights, ty * weights
    return weights, right, below, tx * below


def _between(steps: np.ndarray, stride: int) -> np.ndarray:
    """Return the ``(m m, 4)`` weights of a square's cells at points given by ``(m,)`` steps along x and y, px."""
    line = np.stack([1 - steps / stride, steps / stride], axis=1)
    return np.asarray(np.einsum("ya,xb->yxab", line, line).reshape(-1, 4).astype(np.float32))


def _framed(maps: np.ndarray) -> np.ndarray:
    """Return ``(K, h + 2, w + 2)`` maps in which the outer cells are repeated."""
    return np.pad(maps, ((0, 0), (1, 1), (1, 1)), mode="edge")


def _steps(stride: int) -> np.ndarray:
    """Return the distances of a square's px from the center of the previous cell, which is a px at odd strides."""
    return np.arange(stride) + (0.0 if stride % 2 else 0.5)
