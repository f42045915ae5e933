"""The walk from one keypoint of a person along edges to all others."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

_SUREST = 16.0  # logit; of responses of 0 and 1 it is infinite

Place = tuple[float, float]  # x and y, cells


class Step(Protocol):
    """How a keypoint is reached from another one."""

    def __call__(self, edge: int, start: Place) -> Place:
        """Return where an edge leads from a place."""


class _Spot(NamedTuple):
    """Where a point lies between four cells: the first of them, the steps to the others, and how far it is along."""

    place: int
    right: int
    down: int
    tx: float
    ty: float


class PointReader:
    """Maps of one image that are read bilinearly at single points; beyond the outer cells they go on as there.

    A walk reads a few hundred points, one after the other. Python's own numbers are faster at that than NumPy's, and a
    ``memoryview`` gives them.

    Args:
        maps: ``(C, h, w)`` float32.
    """

    def __init__(self, maps: np.ndarray) -> None:
        _, self.height, self.width = maps.shape
        self._area = self.height * self.width
        self._values = np.ascontiguousarray(maps, dtype=np.float32).reshape(-1).data

    def clamped(self, x: float, y: float) -> Place:
        """Return the nearest place on the map; that of NaN is 0."""
        return min(max(0.0, x), self.width - 1.0), min(max(0.0, y), self.height - 1.0)

    def vector(self, item: int, x: float, y: float) -> Place:
        """Read the two maps of an item at a place, cells."""
        spot = self._spot(x, y)
        return self._between(2 * item, spot), self._between(2 * item + 1, spot)

    def logit(self, channel: int, x: float, y: float) -> float:
        """Read the logit of a map of probabilities at a place, cells."""
        place, right, down, tx, ty = self._spot(x, y)
        place += channel * self._area
        values = self._values
        a, b = _logit(values[place]), _logit(values[place + right])
        c, d = _logit(values[place + down]), _logit(values[place + right + down])
        top = a + tx * (b - a)
        return top + ty * (c + tx * (d - c) - top)

    def _spot(self, x: float, y: float) -> _Spot:
        x, y = self.clamped(x, y)
        column, row = int(x), int(y)
        return _Spot(
            row * self.width + column,
            1 if column + 1 < self.width else 0,
            self.width if row + 1 < self.height else 0,
            x - column,
            y - row,
        )

    def _between(self, channel: int, spot: _Spot) -> float:
        place, right, down, tx, ty = spot
        place += channel * self._area
        values = self._values
        a, c = values[place], values[place + down]
        top = a + tx * (values[place + right] - a)
        return top + ty * (c + tx * (values[place + right + down] - c) - top)


def walk(
    kind: int,
    start: Place,
    leaving: Sequence[Sequence[tuple[int, int]]],
    step: Step,
    logit: Callable[[int, float, float], float],
) -> np.ndarray:
    """Reach all keypoints of a person, the surest first (``posenet_decoder.cc`` of Google's libcoral).

    In a tree there is one way to a keypoint. Where the limbs form rings, a keypoint is reached by the way on which it
    responds the most.

    Args:
        kind: Keypoint type that the walk starts from.
        start: Its place, cells.
        leaving: For each type the edges that leave it, and the type that each leads to.
        step: Where an edge leads.
        logit: ``(kind, x, y)`` -> how sure a keypoint is there.

    Returns:
        ``(K, 3)`` x, y (cells) and probability; 0 where no edges lead to a type.
    """
    person = np.zeros((len(leaving), 3))
    reached = [False] * len(leaving)
    queue = [(-logit(kind, *start), kind, start)]
    while queue:
        unsure, kind, place = heapq.heappop(queue)
        if reached[kind]:
            continue
        reached[kind] = True
        person[kind] = *place, 1 / (1 + math.exp(unsure))
        for edge, end in leaving[kind]:
            if not reached[end]:
                there = step(edge, place)
                heapq.heappush(queue, (-logit(end, *there), end, there))
    return person


def _logit(probability: float) -> float:
    if 0 < probability < 1:
        return math.log(probability / (1 - probability))
    return _SUREST if probability >= 1 else -_SUREST
