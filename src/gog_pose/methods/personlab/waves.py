"""Waves: the walks of many poses at once, by array operations that take little longer for many walks than for one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from gog_pose.methods.personlab.walk import SUREST


class Steps(Protocol):
    """A function that follows edges from keypoints to others."""

    def __call__(self, edges: np.ndarray, kinds: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """Return the ``(2, N)`` ends, cells, of edges that lead to these types from ``(2, N)`` positions."""


class Logits(Protocol):
    """A function that reads how confident keypoints are."""

    def __call__(self, kinds: np.ndarray, xy: np.ndarray, /) -> np.ndarray:
        """Return the ``(N,)`` logits of the probabilities of keypoints at ``(2, N)`` positions, cells."""


class PointsReader:
    """Bilinear interpolation of the maps of one image at many positions, with the arithmetic of ``PointReader``.

    Args:
        maps: ``(C, h, w)`` float32.
    """

    def __init__(self, maps: np.ndarray) -> None:
        _, height, self._width = maps.shape
        self._last = np.array([[self._width - 1.0], [height - 1.0]])
        self._area = height * self._width
        self._axes = np.array([[0], [self._area]])
        self._values = np.ascontiguousarray(maps, dtype=np.float32).reshape(-1)

    def moved(self, items: np.ndarray, xy: np.ndarray, stride: int) -> np.ndarray:
        """Move ``(2, N)`` positions, cells, by the vectors of ``(N,)`` items, px, clamped to the map; nan becomes 0."""
        low, places = self._corners(2 * items, xy)
        values = self._values.take(places[:, :, None] + self._axes).astype(np.float64)
        moved = xy + _between(values, xy - low) / stride
        return np.asarray(np.minimum(np.fmax(moved, 0), self._last))

    def logits(self, channels: np.ndarray, xy: np.ndarray) -> np.ndarray:
        """Interpolate the logits of ``(N,)`` maps of probabilities at ``(2, N)`` positions, cells."""
        low, places = self._corners(channels, xy)
        return _between(_logits(self._values.take(places).astype(np.float64)), xy - low)

    def _corners(self, channels: np.ndarray, xy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the ``(2, N)`` upper left cells around positions and the ``(2, 2, N)`` places of all four cells."""
        cells = np.empty((2, *xy.shape))
        np.floor(xy, out=cells[0])
        np.minimum(cells[0] + 1, self._last, out=cells[1])
        places = cells[:, None, 1] * self._width + (cells[:, 0] + channels * self._area)
        return cells[0], places.astype(np.intp)


class Ways(NamedTuple):
    """The edges that start at each keypoint type.

    Attributes:
        edges: ``(K, most)`` edges, filled up with 0.
        ends: ``(K, most)`` types that they lead to, filled up with the type itself.
        outer: ``(K,)`` bool, True for types with one edge only.
    """

    edges: np.ndarray
    ends: np.ndarray
    outer: np.ndarray

    @classmethod
    def of(cls, leaving: Sequence[Sequence[tuple[int, int]]]) -> Ways:
        """Return the edges that start at each type, given with the types that they lead to, as arrays."""
        most = max(map(len, leaving))
        filled = [[*some, *[(0, kind)] * (most - len(some))] for kind, some in enumerate(leaving)]
        edges, ends = np.moveaxis(np.array(filled), 2, 0)
        return cls(edges, ends, np.array([len(some) == 1 for some in leaving]))


@np.errstate(divide="ignore", invalid="ignore")  # logits of 0 and 1, infinite vectors
def walk_together(kinds: np.ndarray, starts: np.ndarray, ways: Ways, steps: Steps, logits: Logits) -> np.ndarray:
    """Reach all keypoints of many people, with the result of ``walk`` for each.

    In each round, every walk continues from its most confident keypoint from which it has not continued yet. Walks do
    not continue from types with one edge, because that edge leads back.

    Args:
        kinds: ``(N,)`` keypoint types at which the walks start.
        starts: ``(2, N)`` x and y of these keypoints, cells.
        ways: Edges of the skeleton.
        steps: Returns the ends of edges.
        logits: Returns the logits of keypoints.

    Returns:
        ``(N, K, 3)`` x, y (cells) and probability; 0 for types that no edges lead to.
    """
    types = len(ways.ends)
    first = np.arange(len(kinds)) * types  # keypoint k of walk n has the index first[n] + k
    xy, best = np.zeros((2, len(kinds) * types)), np.full(len(kinds) * types, -np.inf)
    reached = np.zeros(len(best), dtype=bool)
    xy[:, first + kinds], best[first + kinds] = starts, logits(kinds, starts)
    for _ in range(types):
        waiting = np.where(reached, -np.inf, best)
        here = first + waiting.reshape(-1, types).argmax(axis=1)
        here = here[waiting[here] > -np.inf]
        reached[here] = True
        kind = here % types
        ends = (here - kind)[:, None] + ways.ends[kind]
        rows, columns = np.nonzero(~reached[ends])
        if not len(rows):
            continue
        there, edge = ends[rows, columns], ways.edges[kind[rows], columns]
        kind = there % types
        place = steps(edge, kind, xy.take(here[rows], axis=1))
        sure, known = logits(kind, place), best[there]
        (x, y), (known_x, known_y) = place, xy.take(there, axis=1)
        better = (sure > known) | ((sure == known) & ((x < known_x) | ((x == known_x) & (y < known_y))))
        reached[there] = ways.outer[kind]
        there = there[better]
        xy[:, there], best[there] = place.compress(better, axis=1), sure[better]
    return np.stack([*xy, 1 / (1 + np.exp(-best))], axis=1).reshape(-1, types, 3)


def _between(values: np.ndarray, way: np.ndarray) -> np.ndarray:
    """Interpolate ``(2, 2, ..., N)`` values of cells, by row and column, ``(2, N)`` cells from the upper left one."""
    tx, ty = way
    left = values[:, 0]
    top, bottom = left + tx * (values[:, 1] - left)
    return np.asarray(top + ty * (bottom - top))


def _logits(probabilities: np.ndarray) -> np.ndarray:
    logits = np.log(probabilities / (1 - probabilities))
    return np.where(probabilities >= 1, SUREST, np.where(probabilities > 0, logits, -SUREST))
