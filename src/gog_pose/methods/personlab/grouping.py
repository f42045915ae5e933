"""Grouping of an image's people from roots, the keypoints at which poses start."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gog_pose.poses import Poses

_ROOTS = 16  # of a typical person
_TIMES = 2  # roots in a wave for each person that is expected, as some will belong to the same person
_FEWEST = 32  # roots in a wave, which takes the time of about 17 poses that grow one by one


class Roots(NamedTuple):
    """Keypoints at which poses can start, best first.

    Attributes:
        kinds: ``(N,)`` keypoint types.
        xy: ``(N, 2)`` px of the input image.
    """

    kinds: np.ndarray
    xy: np.ndarray

    @classmethod
    def sorted(cls, kinds: np.ndarray, xy: np.ndarray, scores: np.ndarray) -> Roots:
        """Return roots sorted by score, then by type and position."""
        order = np.lexsort((xy[:, 0], xy[:, 1], kinds, -scores))
        return cls(kinds[order], xy[order].astype(np.float64))


def grow_people(
    roots: Roots,
    grow: Callable[[int, np.ndarray], np.ndarray],
    *,
    radius: float,
    topk: int,
    least: float,
    grow_all: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
) -> list[np.ndarray]:
    """Grow a pose from each root that does not belong to a previous pose.

    While there are many free roots, poses grow in waves. Poses of a wave whose roots belong to a previous pose by then
    are not used.

    Args:
        roots: Keypoints at which poses start.
        grow: ``(kind, xy)`` -> ``(K, 3)`` x, y (px, input image) and score of the keypoints of a pose; 0 = not found.
        radius: A root at most this far from the keypoint of its type of a pose belongs to that pose, px.
        topk: Largest number of poses.
        least: Poses with a lower mean score are dropped, and roots near them remain.
        grow_all: ``(kinds, xy)`` -> ``(N, K, 3)`` the same poses for ``(N,)`` roots at once; None = no waves.

    Returns:
        The poses in the order of their roots.
    """
    people: list[np.ndarray] = []
    grown: dict[int, np.ndarray] = {}
    free = np.ones(len(roots.kinds), dtype=bool)
    places = np.ascontiguousarray(roots.xy.T)
    for index, (kind, xy) in enumerate(zip(roots.kinds.tolist(), roots.xy, strict=True)):
        if len(people) == topk:
            break
        if not free[index]:
            continue
        if grow_all and index not in grown:
            size = min(np.count_nonzero(free[index:]) // _ROOTS, topk - len(people)) * _TIMES
            if size >= _FEWEST:
                wave = index + np.flatnonzero(free[index:])[:size]
                grown = dict(zip(wave.tolist(), grow_all(roots.kinds[wave], roots.xy[wave]), strict=True))
        person = grown[index] if index in grown else grow(kind, xy)
        if person[:, 2].sum() / len(person) >= least:
            people.append(person)
            there = np.where(person[:, 2] > 0, person[:, :2].T, np.inf)
            x, y = np.square(places[:, index:] - there.take(roots.kinds[index:], axis=1))
            free[index:] &= x + y > radius**2
    return people


def rank_people(people: list[np.ndarray], *, num_keypoints: int, radius: float, least: float) -> Poses:
    """Score people by soft suppression: keypoints near the same keypoint of a better person do not count.

    Args:
        people: For each person ``(K, 3)`` x, y (px, input image) and score of the keypoints.
        num_keypoints: K.
        radius: Keypoints of a type at most this far apart are the same keypoint, px.
        least: People with a lower score, or with score 0, are dropped.

    Returns:
        The people, best score first; a score is the sum over the keypoints that count, divided by K.
    """
    keypoints = np.array(people, dtype=np.float64).reshape(-1, num_keypoints, 3)
    keypoints = keypoints[_order(keypoints, keypoints[..., 2].mean(axis=1))]
    scores = np.zeros(len(keypoints))
    x, y, responses = np.moveaxis(keypoints, 2, 0).copy()
    found_x = np.where(responses > 0, x, np.nan)  # no distance from a keypoint that was not found
    for place, own in enumerate(responses):
        squared = np.square(found_x[:place] - x[place]) + np.square(y[:place] - y[place])
        counts = ~(squared <= radius**2).any(axis=0)
        scores[place] = own[counts].sum() / num_keypoints
    order = _order(keypoints, scores)
    order = order[(scores[order] >= least) & (scores[order] > 0)]
    return Poses(keypoints[order].astype(np.float32), scores[order].astype(np.float32))


def _order(keypoints: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the order of people, best first; ties are resolved by position, y first."""
    return np.lexsort((*keypoints[:, :, 0].T, *keypoints[:, :, 1].T, -scores.astype(np.float32)))
