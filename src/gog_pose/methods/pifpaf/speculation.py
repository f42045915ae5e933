"""Choice of the seeds that grow in one batch, which costs little more than a single one."""

from __future__ import annotations

import itertools

import numpy as np

_STEPS = 4  # largest number of links between two seeds of one person


class Neighbors:
    """Seeds that links connect, which probably belong to one person.

    Args:
        count: Upper bound of the numbers of seeds, exclusive.
        starts: ``(N,)`` number of the seed at which each link starts; 0 = none.
        ends: ``(N,)`` number of the seed to which it leads; 0 = none.
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
        """Return the indices of the seeds that at most ``_STEPS`` links do not connect to a previous kept seed."""
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
