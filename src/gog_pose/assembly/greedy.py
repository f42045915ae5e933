"""Greedy grouping: candidate limbs join peaks into people (Sec. 2.4)."""

from __future__ import annotations

import numpy as np

from gog_pose.assembly.limbs import Limbs
from gog_pose.poses import Poses


def group_limbs(xy: np.ndarray, responses: np.ndarray, limbs: Limbs) -> np.ndarray:
    """Group the peaks of one image into people.

    Every peak starts as a fragment of its own. The limbs of all types are taken up once, the best score first; a limb
    joins the fragments of its two ends unless they share a keypoint type. This is Kruskal's algorithm with a
    constraint, and the constraint gives the guarantees: a peak is in one person, a person has one keypoint of a type,
    a peak has one limb of a type, and nothing is ever averaged or replaced. Limbs of all types compete at once, so
    that a doubtful limb never comes before a sure one only because its type does.

    Args:
        xy: ``(K, n, 2)`` peaks, px, input image.
        responses: ``(K, n)`` their responses; 0 = no peak.
        limbs: Candidates; their order does not matter.

    Returns:
        ``(N, K)`` people: of each type the rank of the peak they have, -1 = none. A single peak is a person, too.
    """
    types, ranks = responses.shape
    count = types * ranks
    held = [1 << kind for kind in range(types) for _ in range(ranks)]  # keypoint types of a fragment, as bits
    peaks = [[peak] for peak in range(count)]
    fragment = list(range(count))  # of each peak; it is named after one of its peaks
    order = _best_first(limbs, xy)
    starts, ends = ((peak[order, 0] * ranks + peak[order, 1]).tolist() for peak in (limbs.starts, limbs.ends))
    for start, end in zip(starts, ends, strict=True):
        a, b = fragment[start], fragment[end]
        if not held[a] & held[b]:  # nor are they one fragment
            held[a] |= held[b]
            peaks[a] += peaks[b]
            for peak in peaks[b]:
                fragment[peak] = a
    type_index, rank_index = np.nonzero(responses > 0)
    names = np.array(fragment, dtype=np.intp)[type_index * ranks + rank_index]
    found = np.zeros(count, dtype=bool)
    found[names] = True
    people = np.full((np.count_nonzero(found), types), -1, dtype=np.intp)
    people[(np.cumsum(found) - 1)[names], type_index] = rank_index
    return people


def assemble_poses(
    people: np.ndarray,
    xy: np.ndarray,
    responses: np.ndarray,
    *,
    min_keypoints: int,
    score: str,
    score_threshold: float,
    inferred: np.ndarray | None = None,
) -> Poses:
    """Make poses of the peaks that people have.

    Args:
        people: ``(N, K)`` ranks of their peaks, -1 = none.
        xy: ``(K, n, 2)`` peaks, px, input image.
        responses: ``(K, n)`` their responses.
        min_keypoints: People of fewer peaks are dropped; 1 keeps single peaks.
        score: ``sum`` divides the responses of a person by K, ``mean`` by the number of keypoints found.
        score_threshold: People below are dropped.
        inferred: ``(N, K, 3)`` what to give people for keypoints they lack, response 0 = nothing; it does not count in
            their scores nor for ``min_keypoints``.

    Returns:
        The people, best score first.
    """
    found = people >= 0
    person, kind = np.nonzero(found)
    keypoints = np.zeros((*people.shape, 3), dtype=np.float32)
    keypoints[person, kind, :2] = xy[kind, people[person, kind]]
    keypoints[person, kind, 2] = responses[kind, people[person, kind]]
    count = found.sum(axis=1)
    scores = keypoints[:, :, 2].sum(axis=1) / (people.shape[1] if score == "sum" else np.maximum(count, 1))
    kept = (count >= min_keypoints) & (scores >= score_threshold)
    # Equal scores: by position, heights first, so that a mirrored scene keeps its order.
    keys = (*keypoints[:, :, 0].T, *keypoints[:, :, 1].T, -scores.astype(np.float32))
    order = np.lexsort(keys)
    order = order[kept[order]]
    poses = Poses(keypoints[order], scores[order].astype(np.float32))
    if inferred is None:
        return poses
    extra = (inferred[..., 2] > 0) & ~found
    return Poses(np.where(extra[..., None], inferred, keypoints)[order].astype(np.float32), poses.scores, extra[order])


def _best_first(limbs: Limbs, xy: np.ndarray) -> np.ndarray:
    """Return the order of the candidates: score, then error, then position; none of them depends on their order."""
    scores = -limbs.scores.astype(np.float32)  # scores that differ by rounding are equal
    order = np.argsort(scores, kind="stable")
    scores = scores[order]
    equal = scores[1:] == scores[:-1]
    if equal.any():
        tied = np.zeros(len(order), dtype=bool)
        tied[1:] = equal
        tied[:-1] |= equal
        some = order[tied]
        limbs = Limbs(*(field[some] for field in limbs))
        start, end = xy[limbs.starts[:, 0], limbs.starts[:, 1]], xy[limbs.ends[:, 0], limbs.ends[:, 1]]
        # Heights before widths, so that a mirrored scene keeps its order.
        places = (limbs.ends[:, 0], limbs.starts[:, 0], end[:, 0], start[:, 0], end[:, 1], start[:, 1])
        order[tied] = some[np.lexsort((*places, limbs.errors.astype(np.float32), scores[tied]))]
    return order
