"""Search for the boxes that cover points of several kinds, without comparing all boxes with all points."""

from __future__ import annotations

import numpy as np

_APART = 2.0**22  # px between the keys of two kinds
_FARTHEST = 2.0**20  # px; coordinates are clipped to this
_ROUNDING = 1e-3  # px; larger than the rounding error of the float64 keys


def counted(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Repeat the index of each of ``(N,)`` items as often as its count; return the indices and numbers from 0."""
    item = np.repeat(np.arange(len(counts)), counts)
    return item, np.arange(len(item)) - (np.cumsum(counts) - counts)[item]


class SortedBoxes:
    """Boxes around points, sorted by kind, then by the x of the point.

    Args:
        kinds: ``(N,)`` int, below ``num_kinds``.
        x: ``(N,)`` x of the point inside each box, px, finite.
        low: ``(2, N)`` smallest x, y of each box, px.
        high: ``(2, N)`` largest x, y.
        num_kinds: Number of kinds.
    """

    def __init__(self, kinds: np.ndarray, x: np.ndarray, low: np.ndarray, high: np.ndarray, num_kinds: int) -> None:
        keys = _keys(kinds, x)
        self._order = np.argsort(keys)
        self._keys = keys[self._order]
        self._low, self._high = low[:, self._order], high[:, self._order]
        kinds = kinds[self._order]
        self._before, self._after = np.full((2, num_kinds), _ROUNDING)
        if len(kinds):
            starts = np.flatnonzero(np.diff(kinds, prepend=-1))
            for largest, side in ((self._before, high[0] - x), (self._after, x - low[0])):
                largest[kinds[starts]] += np.maximum.reduceat(side[self._order], starts)

    def covering(self, kinds: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find the boxes that cover points.

        Args:
            kinds: ``(M,)`` kind of each point; boxes of other kinds are ignored.
            places: ``(2, M)`` points, px.

        Returns:
            ``(P,)`` index of the point and ``(P,)`` index of the box of each pair, sorted by point.
        """
        x = places[0]
        first = np.searchsorted(self._keys, _keys(kinds, x - self._before[kinds]), side="left")
        last = np.searchsorted(self._keys, _keys(kinds, x + self._after[kinds]), side="right")
        place, step = counted(np.maximum(last - first, 0))
        box = first[place] + step
        for axis in (1, 0):  # y first, because most boxes near in x are not near in y
            at = places[axis].take(place)
            covered = np.flatnonzero((self._low[axis].take(box) <= at) & (at <= self._high[axis].take(box)))
            place, box = place[covered], box[covered]
        return place, self._order[box]


def _keys(kinds: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.asarray(kinds * _APART + np.minimum(np.maximum(x, -_FARTHEST), _FARTHEST))
