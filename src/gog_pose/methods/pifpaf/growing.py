"""Growing poses: from the keypoints that a pose has along limbs to those it lacks (Sec. 3.4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple, Protocol

import numpy as np

from gog_pose.maps.ranges import SortedBoxes
from gog_pose.skeleton import Skeleton

_APART = 2.0**22  # px between the keys of two ways
_SAME_LENGTH = 2.0**-12  # px
_SAME_SCORE = 1e-7


class Walks(NamedTuple):
    """The ways along limbs: each limb in both directions; those of limb l are ``2 l`` and ``2 l + 1``.

    Attributes:
        sources: ``(2L,)`` keypoint types that they start from.
        targets: ``(2L,)`` keypoint types that they lead to.
    """

    sources: np.ndarray
    targets: np.ndarray

    @classmethod
    def of(cls, skeleton: Skeleton) -> Walks:
        """Return the ways of a skeleton."""
        limbs = np.array(skeleton.limbs, dtype=np.intp)
        return cls(limbs.ravel(), limbs[:, ::-1].ravel())


class Links(NamedTuple):
    """Predictions of cells on limbs, for one direction.

    Attributes:
        walks: ``(N,)`` number of the way.
        cells: ``(N,)`` flat place on the map; of equally good links of a way the first one counts.
        sources: ``(2, N)`` x, y of the end that the way starts from, px of the input image.
        targets: ``(2, N)`` x, y of the other end.
        reaches: ``(N,)`` distance of a keypoint from ``sources``, px along an axis, up to which the link is of it.
        decays: ``(N,)`` px by which the score of a link falls to 1/e.
        scores: ``(N,)``.
    """

    walks: np.ndarray
    cells: np.ndarray
    sources: np.ndarray
    targets: np.ndarray
    reaches: np.ndarray
    decays: np.ndarray
    scores: np.ndarray

    def chosen(self, some: np.ndarray) -> Links:
        """Return some of the links, by index or mask."""
        return Links._make(field[..., some] for field in self)

    def distinct(self) -> Links:
        """Leave out links that agree with another: all cells of a limb may, and the search would find each of them."""
        order = np.argsort(self.walks * _APART + self.sources[0])
        some = self.chosen(order)
        lengths = np.stack([*some.sources, *some.targets, some.reaches, some.decays])
        new = _changes(some.walks)
        new[1:] |= (np.abs(np.diff(lengths)) > _SAME_LENGTH).any(axis=0) | (np.abs(np.diff(some.scores)) > _SAME_SCORE)
        starts = np.flatnonzero(new)
        if not len(starts):
            return some
        return some.chosen(starts)._replace(cells=np.minimum.reduceat(some.cells, starts))

    @classmethod
    def joined(cls, parts: Sequence[Links]) -> Links:
        """Return the links of all parts."""
        return cls._make(np.concatenate(column, axis=-1) for column in zip(*parts, strict=True))


class LinkTable(Protocol):
    """Links that can be found by the keypoint that they start from."""

    def near(self, walks: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray, Links]:
        """Find the links of keypoints.

        Args:
            walks: ``(M,)`` ways.
            places: ``(2, M)`` x, y of the keypoints that they start from, px of the input image.

        Returns:
            ``(P,)`` query of each link, ascending, ``(P,)`` indices, and the links that these are of.
        """


class SortedLinks:
    """Links in memory, sorted by the place that they start from.

    Args:
        links: All of them.
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
    """Links that are computed when a keypoint near them is asked for: for cells that are many, and keypoints few.

    Args:
        of_walk: Gives for a way the places ``(2, N)`` that links start from and their ``(N,)`` reaches.
        links: Gives links, by ``(P,)`` ways and indices among the N of each way.
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
    """Poses.

    Attributes:
        xy: ``(B, K, 2)`` px of the input image.
        values: ``(B, K)`` confidence of each keypoint; 0 = not found.
    """

    xy: np.ndarray
    values: np.ndarray


class Growth(NamedTuple):
    """Rules of growing.

    Attributes:
        walks: Of the skeleton.
        table: The links.
        least: Lowest score of a connection.
        reverse: Px, sum along x and y, by which the way back may miss the keypoint; None: it is not walked.
        blend: Whether the second best link counts, too, if its score is at least half the best.
    """

    walks: Walks
    table: LinkTable
    least: float
    reverse: float | None
    blend: bool

    def grow(self, poses: Grown) -> Grown:
        """Let each pose grow until no limb leads from a keypoint that it has to one that it lacks.

        The limb at the keypoint of the highest confidence comes first; of equal ones the last limb. Each way is tried
        once per pose. Poses do not affect each other.
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

    def _connect(self, walks: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return ``(M,)`` scores, 0 = no connection, and ``(2, M)`` ends of the ways from keypoints."""
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
    """Return for each query that occurs the place of its highest value; of equal ones that of the first cell.

    Args:
        query: ``(P,)`` ascending.
        values: ``(P,)``.
        cells: ``(N,)``.
        index: ``(P,)`` which of the N.
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
    """Return the ``(N,)`` whether a number differs from the one before it."""
    new = np.ones(len(numbers), dtype=bool)
    np.not_equal(numbers[1:], numbers[:-1], out=new[1:])
    return new
