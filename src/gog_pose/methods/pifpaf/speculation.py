"""Which seeds to grow together: growing many poses at once costs little more than one."""

from __future__ import annotations

import itertools

import numpy as np

_STEPS = 4  # links between two seeds that belong to one person


class Neighbors:
    """Seeds that links join: most likely of one person.

    Args:
        count: All numbers of seeds are below.
        starts: ``(N,)`` number of the seed that each link starts from; 0 = none.
        ends: ``(N,)`` number of the seed that it leads to; 0 = none.
    """

    def __init__(self, count: int, starts: np.ndarray, ends: np.ndarray) -> None:
        joined = np.zeros((count, count), dtype=bool)
        joined[starts, ends] = True
        joined[0] = joined[:, 0] = False
        joined |= joined.T
        first, second = np.nonzero(joined)
        bounds = np.searchsorted(first, np.arange(count + 1)).tolist()
        others = second.tolist()
        self._others = [others[start:end] for start, end in itertools.pairwise(bounds)]

    def apart(self, seeds: list[int]) -> list[int]:
        """Return the places in a list of seeds of those that few links do not join to one that comes before."""
        kept = []
        reached: set[int] = set()
        for place, seed in enumerate(seeds):
            if seed not in reached:
                kept.append(place)
                front = {seed}
                for _ in range(_STEPS):
                    reached |= front
                    front = {other for one in front for other in self._others[one]} - reached
                reached |= front
        return kept
