"""The walk from one keypoint of a person along edges to all others."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

_SUREST = 16.0  # logit; of responses of 0 and 1 it is infinite

Place = tuple[float, float]  # x and y, cells


class Step(Protocol):
    """The way to a keypoint from another one."""

    def __call__(self, edge: int, start: Place) -> Place:
        """Return where an edge leads from a place."""


class PointReader:
    """Maps of one image that are read bilinearly at single places on them.

    A walk reads a few hundred places, one after the other. Python's own numbers are faster at that than NumPy's, and a
    ``memoryview`` gives them.

    Args:
        maps: ``(C, h, w)`` float32.

    Attributes:
        last: x and y of the last cell.
    """

    def __init__(self, maps: np.ndarray) -> None:
        _, self._height, self._width = maps.shape
        self.last = self._right, self._bottom = self._width - 1.0, self._height - 1.0
        self._area = self._height * self._width
        self._values: Any = np.ascontiguousarray(maps, dtype=np.float32).reshape(-1).data

    def clamped(self, x: float, y: float) -> Place:
        """Return the nearest place on the map; that of NaN is 0."""
        x = x if x > 0 else 0.0
        y = y if y > 0 else 0.0
        return (x if x < self._right else self._right), (y if y < self._bottom else self._bottom)

    def cell(self, item: int, column: int, row: int) -> Place:
        """Read the two maps of an item at a cell."""
        place = 2 * item * self._area + row * self._width + column
        return self._values[place], self._values[place + self._area]

    def vector(self, item: int, x: float, y: float) -> Place:
        """Read the two maps of an item at a place, cells."""
        column, row = int(x), int(y)
        tx, ty = x - column, y - row
        values, area, width = self._values, self._area, self._width
        place = 2 * item * area + row * width + column
        right, down = int(x < self._right), width * (y < self._bottom)
        a, c = values[place], values[place + down]
        top = a + tx * (values[place + right] - a)
        dx = top + ty * (c + tx * (values[place + down + right] - c) - top)
        place += area
        a, c = values[place], values[place + down]
        top = a + tx * (values[place + right] - a)
        return dx, top + ty * (c + tx * (values[place + down + right] - c) - top)

    def moved(self, item: int, x: float, y: float, stride: int) -> Place:
        """Move a place, cells, by the vector there, px; it stays on the map."""
        dx, dy = self.vector(item, x, y)
        return self.clamped(x + dx / stride, y + dy / stride)

    def logit(self, channel: int, x: float, y: float) -> float:
        """Read the logit of a map of probabilities at a place, cells."""
        column, row = int(x), int(y)
        tx, ty = x - column, y - row
        values = self._values
        place = channel * self._area + row * self._width + column
        right, down = int(x < self._right), self._width * (y < self._bottom)
        a, b = _logit(values[place]), _logit(values[place + right])
        c, d = _logit(values[place + down]), _logit(values[place + right + down])
        top = a + tx * (b - a)
        return top + ty * (c + tx * (d - c) - top)


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
    person = [(0.0, 0.0, 0.0)] * len(leaving)
    reached = [False] * len(leaving)
    queue = [(-logit(kind, *start), kind, start)]
    while queue:
        unsure, kind, place = heapq.heappop(queue)
        if reached[kind]:
            continue
        reached[kind] = True
        person[kind] = (*place, 1 / (1 + math.exp(unsure)))
        for edge, end in leaving[kind]:
            if not reached[end]:
                there = step(edge, place)
                heapq.heappush(queue, (-logit(end, *there), end, there))
    return np.array(person)


def _logit(probability: float) -> float:
    if 0 < probability < 1:
        return math.log(probability / (1 - probability))
    return _SUREST if probability >= 1 else -_SUREST
