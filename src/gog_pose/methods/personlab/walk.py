"""The walk along edges from one keypoint of a person to all others."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

SUREST = 16.0  # logit in place of infinity for responses of 0 and 1

Place = tuple[float, float]  # x and y, cells


class Step(Protocol):
    """A function that follows an edge from one keypoint to another."""

    def __call__(self, edge: int, start: Place) -> Place:
        """Return the end of an edge that starts at a position."""


class PointReader:
    """Bilinear interpolation of the maps of one image at single positions.

    A walk reads a few hundred positions one by one. For this, Python numbers from a ``memoryview`` are faster than
    NumPy's.

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
        """Return the nearest position on the map; nan becomes 0."""
        x = x if x > 0 else 0.0
        y = y if y > 0 else 0.0
        return (x if x < self._right else self._right), (y if y < self._bottom else self._bottom)

    def cell(self, item: int, column: int, row: int) -> Place:
        """Return the values of the two maps of an item at a cell."""
        place = 2 * item * self._area + row * self._width + column
        return self._values[place], self._values[place + self._area]

    def vector(self, item: int, x: float, y: float) -> Place:
        """Interpolate the two maps of an item at a position, cells."""
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
        """Move a position, cells, by its vector, px, clamped to the map."""
        dx, dy = self.vector(item, x, y)
        return self.clamped(x + dx / stride, y + dy / stride)

    def logit(self, channel: int, x: float, y: float) -> float:
        """Interpolate the logits of a map of probabilities at a position, cells."""
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
    """Reach all keypoints of a person, the most confident first (``posenet_decoder.cc`` of Google's libcoral).

    In a tree there is one path to each keypoint. If the limbs form cycles, a keypoint is reached by the path on which
    its response is highest.

    Args:
        kind: Keypoint type at which the walk starts.
        start: Position of that keypoint, cells.
        leaving: For each type the edges that start at it, each with the type that it leads to.
        step: Returns the end of an edge.
        logit: ``(kind, x, y)`` -> logit of the probability of a keypoint.

    Returns:
        ``(K, 3)`` x, y (cells) and probability; 0 for types that no edges lead to.
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
    return SUREST if probability >= 1 else -SUREST
