"""Hough score maps: each px of a disk votes for the place of its keypoint (Eq. 1 of PersonLab's paper).

The maps have the size of the input image, but only px between cells of which one responds vote. Where the four cells
around a square of px agree on the px that the keypoint lies in, a few places in the square vote for all of its px.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from gog_pose.geometry import cells_to_image

_LEAST = 0.01  # probability; px between cells of lower ones do not vote


@dataclass(frozen=True)
class HoughMaps:
    """Scores of an image.

    Attributes:
        scores: ``(K, H + 2, W + 2)`` float32; px (x, y) is at (x + 1, y + 1), and px beside the image score 0.
        voted: ``(K, H + 2)`` which rows there are votes for.
    """

    scores: np.ndarray
    voted: np.ndarray

    @property
    def size(self) -> tuple[int, int]:
        """``(H, W)`` px, input image."""
        return self.scores.shape[1] - 2, self.scores.shape[2] - 2

    def at(self, kinds: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the scores at whole px, which may lie beside the image by one."""
        return np.asarray(self.scores[kinds, y + 1, x + 1])

    def peaks(self, threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return type, ``(N, 2)`` x and y (px) and score of the px that none of the eight around it exceeds.

        The threshold is positive. Of equal neighbors the first in reading order stands for all.
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
        """Return the scores ``(N, h, w)`` of windows of a size ``(h, w)`` in the image that start at px."""
        around = np.lib.stride_tricks.sliding_window_view(self.scores, size, axis=(1, 2))
        return np.asarray(around[kinds, top + 1, left + 1])


class _Votes(NamedTuple):
    """Votes for the four px around places.

    Attributes:
        kinds: ``(n,)`` for which types.
        x: ``(..., n)`` int64, the px left of a place, counted from one beside the image on.
        y: ``(..., n)`` int64, the px above, likewise.
        weights: The sum of the weights of all who vote for those four px, ``(..., n)``.
        right: The part of it for the two px on the right.
        below: The part of it for the two px below.
        both: The part of it for the px below on the right.
    """

    kinds: np.ndarray
    x: np.ndarray
    y: np.ndarray
    weights: np.ndarray
    right: np.ndarray
    below: np.ndarray
    both: np.ndarray


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
    rows, columns = height * stride + 2, width * stride + 2
    scores = np.zeros((types, rows, columns), dtype=np.float32)  # memory that no vote reaches is not touched
    voted = np.zeros((types, rows), dtype=bool)
    flat, flat_voted = torch.from_numpy(scores.reshape(-1)), voted.reshape(-1)  # both share memory
    for votes in _votes(heatmaps, short_offsets, stride, least, 1 / (math.pi * radius**2)):
        lines = votes.kinds * rows + votes.y
        flat_voted[lines] = True
        places = torch.from_numpy((lines * columns + votes.x).reshape(-1))
        for step, share in (
            (0, votes.weights - votes.right - votes.below + votes.both),
            (1, votes.right - votes.both),
            (columns, votes.below - votes.both),
            (columns + 1, votes.both),
        ):
            flat[step:].index_add_(0, places, torch.from_numpy(share.reshape(-1)))  # NumPy has nothing as fast
    voted[:, 1:] |= voted[:, :-1]
    scores[:, [0, -1]] = scores[voted, 0] = scores[voted, -1] = 0  # px beside the image
    return HoughMaps(scores, voted)


def _votes(heatmaps: np.ndarray, short_offsets: np.ndarray, stride: int, least: float, unit: float) -> Iterator[_Votes]:
    """Yield the votes of all px in squares between four cells of which one exceeds ``least``, times ``unit``.

    A px's weight and its place plus its offset are bilinear between the four cells. Where all four places lie in one
    px, so do those of the px between; their shares are cubic along x and y then, and the sum of a cubic function over
    px in a row is that over two places of the same mean and variance (Gauss).
    """
    types, height, width = heatmaps.shape
    fields = [_framed(heatmaps), *map(_framed, short_offsets.reshape(types, 2, height, width).swapaxes(0, 1))]
    along_x, along_y = (cells_to_image(np.arange(-1, side + 1, dtype=np.float32), stride) for side in (width, height))
    fields[1] += along_x
    fields[2] += along_y[:, None]
    along = np.maximum(fields[0][:, :, :-1], fields[0][:, :, 1:])
    squares = np.maximum(along[:, :-1], along[:, 1:]) > least
    kinds, top, left = np.unravel_index(np.flatnonzero(squares), squares.shape)  # np.nonzero is slow in 3 axes
    below = width + 2
    around = (kinds * (height + 2) + top) * below + left + np.array([[0], [1], [below], [below + 1]])
    corners = np.stack([field.reshape(-1).take(around) for field in fields])  # (3, 4, n) weight, x, y
    corners[0] *= unit

    px_low = np.floor(corners[1:])
    x, y = px_low[:, 0]
    inner = (top > 0) & (left > 0) & (top < height) & (left < width)
    inside = (x >= -1) & (y >= -1) & (x < width * stride) & (y < height * stride)
    agreed = inner & inside & (px_low == px_low[:, :1]).all(axis=(0, 1))

    steps = _first_px(stride) + np.arange(stride)  # px from the cell left and above
    alone = np.flatnonzero(~agreed)
    weights, x, y = _between(steps, stride) @ corners.take(alone, axis=2)  # (R R, n) each
    own_x, own_y = (cells_to_image(first[alone] - 1, stride) for first in (left, top))
    for own, px, places, side in (
        (own_x, np.tile(steps, stride), x, width * stride),
        (own_y, np.repeat(steps, stride), y, height * stride),
    ):
        (outer,) = np.nonzero((own < 0) | (own + stride >= side))
        own_px = own[outer] + px[:, None]
        weights[:, outer] *= (own_px >= 0) & (own_px < side)
        if places.size and (places.min() <= -1 or places.max() >= side):
            beside = (places <= -1) | (places >= side)
            weights[beside], places[beside] = 0, 0
    low = np.floor(x), np.floor(y)
    yield _shared(kinds[alone], low, weights, x - low[0], y - low[1])

    together = np.flatnonzero(agreed)
    gauss = steps.mean() + steps.std() * np.array([-1, 1])
    weights, x, y = _between(gauss, stride) @ corners.take(together, axis=2)  # (4, n) each
    weights *= stride**2 / len(weights)
    low = px_low[0, 0, together], px_low[1, 0, together]
    votes = _shared(kinds[together], low, weights, x - low[0], y - low[1])
    yield _Votes(*votes[:3], *(part.sum(axis=0) for part in votes[3:]))


def _shared(
    kinds: np.ndarray, low: tuple[np.ndarray, np.ndarray], weights: np.ndarray, tx: np.ndarray, ty: np.ndarray
) -> _Votes:
    """Return the votes for places that are ``(tx, ty)`` beyond the px ``low``."""
    right, below = tx * weights, ty * weights
    x, y = (px.astype(np.int64) + 1 for px in low)
    return _Votes(kinds, x, y, weights, right, below, tx * below)


def _between(steps: np.ndarray, stride: int) -> np.ndarray:
    """Return the weights ``(n n, 4)`` of a square's cells in places that are ``(n,)`` steps, px, along x and y."""
    line = np.stack([1 - steps / stride, steps / stride], axis=1)
    return np.asarray(np.einsum("ya,xb->yxab", line, line).reshape(-1, 4).astype(np.float32))


def _framed(maps: np.ndarray) -> np.ndarray:
    """Return ``(K, h + 2, w + 2)`` maps that beyond the outer cells go on as there."""
    return np.pad(maps, ((0, 0), (1, 1), (1, 1)), mode="edge")


def _first_px(stride: int) -> float:
    """Return how far the first px after the center of a cell is from there: none where the center is a px."""
    return 0.0 if stride % 2 else 0.5
