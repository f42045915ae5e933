"""Growth of poses along limbs from the keypoints that they have to missing ones (Sec. 3.4)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple, Protocol

import numpy as np

from gog_pose.maps.ranges import SortedBoxes
from gog_pose.methods.pifpaf.speculation import Race
from gog_pose.skeleton import Skeleton

_APART = 2.0**22  # px between the keys of two directed limbs
_SAME_LENGTH = 2.0**-12  # px
_SAME_SCORE = 1e-7


class Walks(NamedTuple):
    """Directed limbs: each limb in both directions; those of limb l have the indices ``2 l`` and ``2 l + 1``.

    Attributes:
        sources: ``(2L,)`` keypoint types at which they start.
        targets: ``(2L,)`` keypoint types to which they lead.
        ends: ``(2L,)`` items of ``limb_vectors`` and ``limb_spreads`` for their starts.
    """

    sources: np.ndarray
    targets: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(cls, skeleton: Skeleton) -> Walks:
        """Return the directed limbs of a skeleton."""
        limbs = np.array(skeleton.limbs, dtype=np.intp)
        return cls(limbs.ravel(), limbs[:, ::-1].ravel(), np.arange(limbs.size).reshape(2, -1).T.ravel())


class Links(NamedTuple):
    """Predictions of cells on limbs, for one direction.

    Attributes:
        walks: ``(N,)`` index of the directed limb.
        cells: ``(N,)`` flat index of the cell; of equally good links of a directed limb, the first cell counts.
        sources: ``(2, N)`` x, y of the start of the directed limb, px of the input image.
        targets: ``(2, N)`` x, y of its end.
        reaches: ``(N,)`` largest distance from ``sources`` to a keypoint of the link, px along each axis.
        decays: ``(N,)`` distance at which the score of a link falls to 1/e, px.
        scores: ``(N,)`` scores of the links.
    """

    walks: np.ndarray
    cells: np.ndarray
    sources: np.ndarray
    targets: np.ndarray
    reaches: np.ndarray
    decays: np.ndarray
    scores: np.ndarray

    def chosen(self, some: np.ndarray) -> Links:
        """Return some of the links, by index."""
        return Links._make(field.take(some, axis=-1) for field in self)

    def distinct(self) -> Links:
        """Return the links without duplicates, which are common among the cells of a limb and slow down the search."""
        order = np.argsort(self.walks * _APART + self.sources[0])
        new = _changes(self.walks.take(order))
        for length in (*self.sources, *self.targets, self.reaches, self.decays):
            new[1:] |= np.abs(np.diff(length.take(order))) > _SAME_LENGTH
        new[1:] |= np.abs(np.diff(self.scores.take(order))) > _SAME_SCORE
        starts = np.flatnonzero(new)
        some = self.chosen(order[starts])
        if not len(starts):
            return some
        return some._replace(cells=np.minimum.reduceat(self.cells.take(order), starts))


class LinkTable(Protocol):
    """Links that can be searched by the keypoint at which they start."""

    def near(self, walks: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray, Links]:
        """Find the links of keypoints.

        Args:
            walks: ``(M,)`` directed limbs.
            places: ``(2, M)`` x, y of the keypoints at which they start, px of the input image.

        Returns:
            ``(P,)`` query of each found link, ascending, its ``(P,)`` index, and the links that the indices refer to.
        """


class SortedLinks:
    """Links in memory, sorted by their start.

    Args:
        links: All links.
        num_walks: 2L.
    """

    def __init__(self, links: Links, num_walks: int) -> None:
        self._links = links
        low, high = links.sources - links.reaches, links.sources + links.reaches
        self._boxes = SortedBoxes(links.walks, links.sources[0], low, high, num_walks)

    def near(self, walks: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray, Links]:
        """Find the links of keypoints."""
        return *self._boxes.covering(walks, places), self._links


class SearchedLinks:
    """Links that are computed only near the keypoints of queries, for many cells and few keypoints.

    Args:
        of_walk: Returns for a directed limb the ``(2, N)`` starts of its links and their ``(N,)`` reaches.
        links: Returns links by ``(P,)`` directed limbs and ``(P,)`` indices among the N of each.
    """

    def __init__(
        self,
        of_walk: Callable[[int], tuple[np.ndarray, np.ndarray]],
        links: Callable[[np.ndarray, np.ndarray], Links],
    ) -> None:
        self._of_walk = cache(of_walk)
        self._links = links

    def near(self, walks: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray, Links]:
        """Find the links of keypoints."""
        close = []
        for walk, place in zip(walks.tolist(), places.T, strict=True):
            sources, reaches = self._of_walk(walk)
            close.append(np.flatnonzero((np.abs(sources - place[:, None]) <= reaches).all(axis=0)))
        query = np.repeat(np.arange(len(close)), [len(some) for some in close])
        return query, np.arange(len(query)), self._links(walks[query], np.concatenate(close))


class Grown(NamedTuple):
    """Poses that grow or have grown.

    Attributes:
        xy: ``(B, K, 2)`` px of the input image.
        values: ``(B, K)`` confidence of each keypoint; 0 = not found.
    """

    xy: np.ndarray
    values: np.ndarray


class Growth(NamedTuple):
    """Rules of growth.

    Attributes:
        walks: Directed limbs of the skeleton.
        table: The links.
        least: Lowest score of a connection.
        reverse: Largest error of the reverse direction, sum along x and y, px; None = it is not checked.
        blend: Whether the second best link counts, too, if its score is more than half the best.
    """

    walks: Walks
    table: LinkTable
    least: float
    reverse: float | None
    blend: bool

    def grow(self, poses: Grown, race: Race | None = None) -> Grown:
        """Grow each pose until no limb leads from one of its keypoints to a missing one.

        The limb at the keypoint of the highest confidence is visited first; of equal ones, the last limb. Each directed
        limb is visited once per pose. Poses do not affect each other, but those that drop out of the race, if there is
        one, stop growing.
        """
        xy, values = poses.xy.copy(), poses.values.copy()
        order = np.arange(len(self.walks.sources)).reshape(-1, 2)[::-1].ravel()  # last limbs first, forwards first
        sources, targets = self.walks.sources[order], self.walks.targets[order]
        untried = np.ones((len(xy), len(order)), dtype=bool)
        growing = np.arange(len(xy))
        while True:
            own = values[growing]
            urgency = np.where(untried[growing] & (own[:, targets] == 0), own[:, sources], 0.0)
            choice = urgency.argmax(axis=1)
            alive = urgency[np.arange(len(growing)), choice] > 0
            growing, choice = growing[alive], choice[alive]
            if not len(growing):
                return Grown(xy, values)
            untried[growing, choice] = False
            source, target = sources[choice], targets[choice]
            scores, ends = self._connect(order[choice], xy[growing, source].T)
            found = scores >= self.least
            pose, source, target = growing[found], source[found], target[found]
            xy[pose, target] = ends[:, found].T
            values[pose, target] = np.sqrt(scores[found] * values[pose, source])
            if race is not None and len(growing) > 1:
                race.reach(pose, target, ends[:, found])
                growing = growing[race.running[growing]]

    def _connect(self, walks: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return ``(M,)`` scores, 0 = no connection, and ``(2, M)`` ends of directed limbs from keypoints."""
        scores, ends = self._follow(walks, places)
        if self.reverse is not None:
            found = np.flatnonzero(scores >= self.least)
            back, starts = self._follow(walks[found] ^ 1, ends[:, found])
            missed = np.abs(starts - places[:, found]).sum(axis=0) > self.reverse
            scores[found[(back < self.least) | missed]] = 0
        return scores, ends

    def _follow(self, walks: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the score and the end of the best link of each query, or of its two best."""
        query, index, links = self.table.near(walks, places)
        away = places.take(query, axis=1) - links.sources.take(index, axis=1)
        values = links.scores[index] * np.exp(-np.hypot(*away) / links.decays[index])
        best = _best(query, values, links.cells, index)
        scores, ends = np.zeros(len(walks)), np.zeros((2, len(walks)))
        scores[query[best]], ends[:, query[best]] = values[best], links.targets[:, index[best]]
        if self.blend:
            values[best] = 0
            second = _best(query, values, links.cells, index)
            at = query[second]
            close = values[second] > 0.5 * scores[at]
            second, at = second[close], at[close]
            one, other = scores[at], values[second]
            ends[:, at] = (one * ends[:, at] + other * links.targets[:, index[second]]) / (one + other)
            scores[at] = (one + other) / 2
        return scores, ends


def _best(query: np.ndarray, values: np.ndarray, cells: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Return for each query that occurs the index of its highest value, or of equal values that of the first cell.

    Args:
        query: ``(P,)`` query of each value, ascending.
        values: ``(P,)`` values.
        cells: ``(N,)`` cells of all links.
        index: ``(P,)`` index of each value's link among the N.
    """
    new = _changes(query)
    starts = np.flatnonzero(new)
    if len(starts) == len(query):
        return starts
    highest = np.flatnonzero(values == np.maximum.reduceat(values, starts)[np.cumsum(new) - 1])
    if len(highest) > len(starts):
        highest = highest[np.lexsort((cells[index[highest]], query[highest]))]
        highest = highest[_changes(query[highest])]
    return highest


def _changes(numbers: np.ndarray) -> np.ndarray:
    """Mark, ``(N,)`` bool, the numbers that differ from the previous one."""
    new = np.ones(len(numbers), dtype=bool)
    np.not_equal(numbers[1:], numbers[:-1], out=new[1:])
    return new
