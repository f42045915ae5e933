"""Joining: fragments of one person that no limb connects because the keypoint between them was not detected.

With 19 limbs, a hidden elbow separates the wrist and hidden hips separate the legs: one person becomes several.
Fragments are joined if they fit into one body: the distance between two keypoints that are h limbs apart in the
skeleton is rarely more than h times the person's longest visible limb.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

_ROUNDING = 1e-9  # relative; a bound excludes only pairs that are too far by more than this
# Part of a fragment's highest response. Fainter keypoints may be false and must not prevent joining.
_FAINT = 0.2


def join_fragments(
    people: np.ndarray, xy: np.ndarray, responses: np.ndarray, limbs: Sequence[Sequence[int]], reach: float
) -> np.ndarray:
    """Join fragments that fit into one body, the most certain pair first.

    Two fragments without a common keypoint type fit if ``d / (h l)`` is at most ``reach`` for every pair of their
    keypoints, where ``d`` is the distance, ``h`` the number of limbs from one type to the other and ``l`` the longest
    limb in either fragment. As for limbs, the certainty of a pair is ``r r exp(-d / (h l))`` at the largest
    ``d / (h l)``, with r the highest response of each fragment. Two single keypoints never join, because they have no
    limb to compare with.

    Keypoints whose response is much fainter than their fragment's highest are ignored in this test. They stay with
    their fragment unless a joining fragment has a more certain keypoint of the same type; then they become single.

    Args:
        people: ``(N, K)`` ranks of each person's peaks, -1 = none.
        xy: ``(K, n, 2)`` peaks, px, input image.
        responses: ``(K, n)`` their responses.
        limbs: L pairs of keypoint types.
        reach: Largest ``d / (h l)`` at which fragments join.

    Returns:
        ``(M, K)`` people with all peaks of the N people, each once.
    """
    pairs = tuple((start, end) for start, end in limbs)
    hops = _hops(pairs, people.shape[1])
    strengths = _strengths(people, responses)
    faint = (people >= 0) & (strengths < _FAINT * strengths.max(axis=1, keepdims=True, initial=0))
    cores = np.where(faint, -1, people)
    joinable = _joinable(cores, hops).any(axis=1)
    if not joinable.any():
        return people  # common case: a completely visible person shares a type with everybody
    order = np.flatnonzero(joinable)[_order(cores[joinable], xy, responses)]
    fragments = cores[order]
    longest = _longest_limbs(fragments, xy, pairs)
    spans = _spans(fragments, xy, hops, reach * longest)
    home = np.arange(len(people))
    home[order] = order[_merge(spans, longest, strengths[order].max(axis=1), reach)]
    return _united(people, faint, strengths, home)


def _strengths(people: np.ndarray, responses: np.ndarray) -> np.ndarray:
    """Return the ``(N, K)`` responses of people's keypoints; 0 where they have none."""
    return np.where(people >= 0, responses[np.arange(people.shape[1]), people], 0)


def _united(people: np.ndarray, faint: np.ndarray, strengths: np.ndarray, home: np.ndarray) -> np.ndarray:
    """Return the joined people.

    Args:
        people: ``(N, K)`` ranks of each fragment's peaks, -1 = none.
        faint: ``(N, K)`` True for peaks that yield to others of their type.
        strengths: ``(N, K)`` responses of the peaks.
        home: ``(N,)`` index of the person that each fragment belongs to; its own index if it joined nobody.
    """
    person, kind = np.nonzero(people >= 0)
    rank, owner = people[person, kind], home[person]
    # Of several keypoints of one type, keep the one that is not faint, then the highest response, then the first rank.
    order = np.lexsort((rank, -strengths[person, kind], faint[person, kind]))
    taken, stays = np.unique(owner[order] * people.shape[1] + kind[order], return_index=True)
    united = np.full(people.shape, -1, dtype=np.intp)
    united.reshape(-1)[taken] = rank[order[stays]]
    leaves = np.delete(order, stays)
    singles = np.full((len(leaves), people.shape[1]), -1, dtype=np.intp)
    singles[np.arange(len(leaves)), kind[leaves]] = rank[leaves]
    return np.concatenate([united[np.unique(home)], singles])


def _joinable(people: np.ndarray, hops: np.ndarray) -> np.ndarray:
    """Mark, ``(N, N)`` bool, the pairs of ``(N, K)`` people that share no type and have only connected types."""
    has = (people >= 0).astype(np.float32)
    barred = ((hops == 0) | np.isinf(hops)).astype(np.float32)
    return np.asarray(has @ barred @ has.T == 0)


def _longest_limbs(people: np.ndarray, xy: np.ndarray, limbs: tuple[tuple[int, int], ...]) -> np.ndarray:
    """Return the ``(N,)`` lengths, px, of the longest limb of each of ``(N, K)`` people; 0 where they have none."""
    starts, ends = np.array(limbs, dtype=np.intp).reshape(-1, 2).T
    person, limb = np.nonzero((people[:, starts] >= 0) & (people[:, ends] >= 0))
    starts, ends = starts[limb], ends[limb]
    vectors = xy[starts, people[person, starts]].astype(np.float64) - xy[ends, people[person, ends]]
    longest = np.zeros(len(people))
    np.maximum.at(longest, person, np.hypot(*vectors.T))
    return longest


def _spans(people: np.ndarray, xy: np.ndarray, hops: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """Return the smallest length per limb at which two fragments could be one person: the largest ``d / h``.

    Args:
        people: ``(N, K)`` ranks of each fragment's peaks.
        xy: ``(K, n, 2)`` peaks, px, input image.
        hops: ``(K, K)`` number of limbs from type to type.
        allowed: ``(N,)`` largest length per limb that the longest limb of each fragment allows, px.

    Returns:
        ``(N, N)`` px; infinite for fragments that can never join, not even after other fragments joined them.
    """
    person, kind = np.nonzero(people >= 0)
    points = xy[kind, people[person, kind]].astype(np.float64)
    count = np.bincount(person)
    first = np.cumsum(count) - count

    joinable = _joinable(people, hops)
    # The limit of joined fragments follows from the longest limb among them, and all of them are joinable.
    most = np.maximum(np.where(joinable, allowed, 0).max(axis=1), allowed) * (1 + _ROUNDING)
    most = np.minimum(most[:, None], most)
    # Comparing one keypoint of each fragment excludes most pairs.
    dx, dy = np.abs(points[first, None] - points[first]).transpose(2, 0, 1)
    steps = np.where(joinable, hops[kind[first, None], kind[first]], 0)
    near = joinable & (np.maximum(dx, dy) <= steps * most)
    one, other = np.nonzero(np.triu(near))

    spans = np.full(joinable.shape, np.inf)
    if len(one):
        # All pairs of a keypoint of one fragment and a keypoint of the other.
        size = count[other]
        i = _runs(first[one], count[one])
        j = _runs(np.repeat(first[other], count[one]), np.repeat(size, count[one]))
        i = np.repeat(i, np.repeat(size, count[one]))
        dx, dy = (points[:, axis].take(i) - points[:, axis].take(j) for axis in (0, 1))
        steps = hops.take(kind.take(i) * len(hops) + kind.take(j))
        squared = (dx * dx + dy * dy) / (steps * steps)
        total = count[one] * size
        widest = np.sqrt(np.maximum.reduceat(squared, np.cumsum(total) - total))
        spans[one, other] = spans[other, one] = np.where(widest <= most[one, other], widest, np.inf)
    return spans


def _runs(first: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Return ``count`` consecutive numbers from each ``first``, concatenated."""
    end = np.cumsum(count)
    return np.asarray(np.arange(end[-1]) + np.repeat(first - (end - count), count))


def _merge(spans: np.ndarray, longest: np.ndarray, strengths: np.ndarray, reach: float) -> np.ndarray:
    """Repeatedly join the two fragments that are most certainly one person, until none fit.

    Args:
        spans: ``(N, N)`` length per limb that each pair requires, px; infinite for pairs that cannot join.
        longest: ``(N,)`` length of each fragment's longest limb, px.
        strengths: ``(N,)`` highest response of each fragment.
        reach: Largest ratio of span and longest limb.

    Returns:
        ``(N,)`` for each fragment the index of its person, which is that of one of the joined fragments.
    """
    spans, longest, strengths = spans.copy(), longest.copy(), strengths.copy()
    home = np.arange(len(longest))

    def scores(a: slice) -> np.ndarray:
        """Return the certainty that a and each of the fragments are one person; 0 where they do not fit."""
        limb = np.maximum(longest[a, None], longest)
        ratio = np.full(limb.shape, np.inf)
        np.divide(spans[a], limb, out=ratio, where=limb > 0)
        sure: np.ndarray = strengths[a, None] * strengths * np.exp(-ratio)
        sure[ratio > reach] = 0
        return sure

    table = scores(slice(None))
    while True:
        a, b = divmod(int(table.argmax()), len(home))
        if not table[a, b] > 0:
            return home
        home[home == b] = a
        longest[a] = max(longest[a], longest[b])
        strengths[a] = max(strengths[a], strengths[b])
        # A fragment that cannot join one of the two cannot join both, so infinite spans remain infinite.
        spans[a] = spans[:, a] = np.maximum(spans[a], spans[b])
        spans[b] = spans[:, b] = np.inf
        table[a] = table[:, a] = scores(slice(a, a + 1))[0]
        table[b] = table[:, b] = 0


def _order(people: np.ndarray, xy: np.ndarray, responses: np.ndarray) -> np.ndarray:
    """Return an order of people that does not depend on their given order, so that ties have one outcome.

    y comes before x, so that a mirrored scene has the same order.
    """
    found = people >= 0
    points, strength = xy[np.arange(people.shape[1]), people], _strengths(people, responses)
    edges = [
        extreme(np.where(found, points[..., axis], fill), axis=1)
        for axis in (0, 1)
        for extreme, fill in ((np.min, np.inf), (np.max, -np.inf))
    ]
    strength.sort(axis=1)
    return np.lexsort((*edges, *strength.T, found.sum(axis=1)))


@lru_cache(maxsize=8)
def _hops(limbs: tuple[tuple[int, int], ...], types: int) -> np.ndarray:
    """Return the ``(K, K)`` number of limbs on the shortest path between two types; infinite where there is none."""
    hops = np.full((types, types), np.inf)
    np.fill_diagonal(hops, 0)
    for start, end in limbs:
        hops[start, end] = hops[end, start] = 1
    for via in range(types):
        hops = np.minimum(hops, hops[:, via, None] + hops[via])
    return hops
