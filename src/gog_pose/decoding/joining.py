"""Joining: fragments of one person that no limb connects, because the keypoint between them was not detected.

With 19 limbs a hidden elbow cuts off the wrist, hidden hips the legs: one person becomes several. What tells that the
fragments belong together is that they fit into one body: two keypoints that are h limbs apart in the skeleton are
hardly further from each other than h times the longest limb that the person shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np


def join_fragments(
    people: np.ndarray, xy: np.ndarray, responses: np.ndarray, limbs: Sequence[Sequence[int]], reach: float
) -> np.ndarray:
    """Join fragments that fit into one body, those that fit best first.

    Two fragments without a common keypoint type fit by the largest ``d / (h l)`` over all pairs of their keypoints:
    ``d`` the distance, ``h`` the number of limbs from one type to the other, ``l`` the longest limb in either fragment.
    Two single keypoints never join: they have no limb to compare with.

    Args:
        people: ``(N, K)`` ranks of their peaks, -1 = none.
        xy: ``(K, n, 2)`` peaks, px, input image.
        responses: ``(K, n)`` their responses.
        limbs: L pairs of keypoint types.
        reach: Fragments join where this is not exceeded.

    Returns:
        ``(M, K)`` people, M <= N.
    """
    if len(people) < 2:
        return people
    people = _in_order(people, xy, responses)
    person, kind = np.nonzero(people >= 0)
    points = xy[kind, people[person, kind]].astype(np.float64)
    hops = _hops(tuple((start, end) for start, end in limbs), people.shape[1])[kind[:, None], kind]
    distances = np.hypot(*(points[:, None, axis] - points[:, axis] for axis in (0, 1)))
    with np.errstate(divide="ignore", invalid="ignore"):
        spans = np.where(hops == 0, 0, distances / hops)  # the same type: such fragments do not join anyway
    spans[~np.isfinite(hops)] = np.inf
    longest = np.where((hops == 1) & (person[:, None] == person), distances, 0)

    first = np.searchsorted(person, np.arange(len(people)))
    spans = np.maximum.reduceat(np.maximum.reduceat(spans, first, axis=0), first, axis=1)
    return _merge(people, spans, np.maximum.reduceat(longest.max(axis=1), first), reach)


def _merge(people: np.ndarray, spans: np.ndarray, limb: np.ndarray, reach: float) -> np.ndarray:
    """Join the two people that fit best, and again, until none fit.

    Args:
        people: ``(N, K)`` ranks of their peaks.
        spans: ``(N, N)`` px a limb that each two would have to span.
        limb: ``(N,)`` px, their longest limbs.
        reach: Largest ratio of the two.
    """
    people, spans, limb = people.copy(), spans.copy(), limb.copy()
    has = people >= 0
    ratios = spans / np.maximum(np.maximum(limb[:, None], limb), 1e-9)
    ratios[(has.astype(np.float32) @ has.T.astype(np.float32)) > 0] = np.inf
    ratios[(limb[:, None] == 0) & (limb == 0)] = np.inf
    alive = np.ones(len(people), dtype=bool)
    while True:
        a, b = np.unravel_index(ratios.argmin(), ratios.shape)
        if not ratios[a, b] <= reach:
            return people[alive]
        people[a], has[a] = np.maximum(people[a], people[b]), has[a] | has[b]
        spans[a] = spans[:, a] = np.maximum(spans[a], spans[b])
        limb[a] = max(limb[a], limb[b])
        alive[b] = False
        fits = alive & ~(has & has[a]).any(axis=1)
        ratios[a] = ratios[:, a] = np.where(fits, spans[a] / np.maximum(limb, limb[a]), np.inf)
        ratios[b] = ratios[:, b] = np.inf


def _in_order(people: np.ndarray, xy: np.ndarray, responses: np.ndarray) -> np.ndarray:
    """Sort people by what does not depend on the order they came in, so that ties are settled alike.

    Heights come before widths, so that a mirrored scene keeps its order.
    """
    kinds = np.arange(people.shape[1])
    found = people >= 0
    points, strength = xy[kinds, people], np.where(found, responses[kinds, people], 0)
    edges = [
        extreme(np.where(found, points[..., axis], fill), axis=1)
        for axis in (0, 1)
        for extreme, fill in ((np.min, np.inf), (np.max, -np.inf))
    ]
    strength.sort(axis=1)
    return np.asarray(people[np.lexsort((*edges, *strength.T, found.sum(axis=1)))])


@lru_cache(maxsize=8)
def _hops(limbs: tuple[tuple[int, int], ...], types: int) -> np.ndarray:
    """Return ``(K, K)`` number of limbs on the shortest way between two types; infinite where there is none."""
    hops = np.full((types, types), np.inf)
    np.fill_diagonal(hops, 0)
    for start, end in limbs:
        hops[start, end] = hops[end, start] = 1
    for via in range(types):
        hops = np.minimum(hops, hops[:, via, None] + hops[via])
    return hops
