"""Greedy grouping of peaks into people by candidate limbs (Sec. 2.4)."""

from __future__ import annotations

import numpy as np

from gog_pose.assembly.limbs import Limbs
from gog_pose.poses import Poses


def group_limbs(xy: np.ndarray, responses: np.ndarray, limbs: Limbs) -> np.ndarray:
    """Group the peaks of one image into people.

    At first every peak is a separate fragment. The limbs of all types are visited once, the best score first. A limb
    joins the fragments of its two ends unless they share a keypoint type. This is Kruskal's algorithm with a
    constraint that guarantees one person per peak, one keypoint of each type per person and one limb of each type per
    peak; nothing is averaged or replaced. Because the limbs of all types are sorted together, an uncertain limb never
    precedes a certain one merely because of its type.

    Args:
        xy: ``(K, n, 2)`` peaks, px, input image.
        responses: ``(K, n)`` their responses; 0 = no peak.
        limbs: Candidates; their order does not matter.

    Returns:
        ``(N, K)`` people: for each type the rank of the person's peak, -1 = none. A single peak is also a person.
    """
    types, ranks = responses.shape
    count = types * ranks
    held = [1 << kind for kind in range(types) for _ in range(ranks)]  # keypoint types of a fragment, as bits
    peaks = [[peak] for peak in range(count)]
    fragment = list(range(count))  # the fragment of each peak, numbered like one of its peaks
    order = _best_first(limbs, xy)
    starts, ends = ((peak[order, 0] * ranks + peak[order, 1]).tolist() for peak in (limbs.starts, limbs.ends))
    for start, end in zip(starts, ends, strict=True):
        a, b = fragment[start], fragment[end]
        if not held[a] & held[b]:  # then a != b, too
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
    """Convert people, given by their peaks, to poses.

    Args:
        people: ``(N, K)`` ranks of each person's peaks, -1 = none.
        xy: ``(K, n, 2)`` peaks, px, input image.
        responses: ``(K, n)`` their responses.
        min_keypoints: People with fewer peaks are dropped; 1 keeps single peaks.
        score: ``sum`` divides the sum of a person's responses by K, ``mean`` by the number of its keypoints.
        score_threshold: People with a lower score are dropped.
        inferred: ``(N, K, 3)`` keypoints to add where people have none, response 0 = nothing to add. They do not count
            in the scores or for ``min_keypoints``.

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
    # Equal scores are sorted by position, y first, so that a mirrored scene has the same order.
    keys = (*keypoints[:, :, 0].T, *keypoints[:, :, 1].T, -scores.astype(np.float32))
    order = np.lexsort(keys)
    order = order[kept[order]]
    poses = Poses(keypoints[order], scores[order].astype(np.float32))
    if inferred is None:
        return poses
    extra = (inferred[..., 2] > 0) & ~found
    return Poses(np.where(extra[..., None], inferred, keypoints)[order].astype(np.float32), poses.scores, extra[order])


def _best_first(limbs: Limbs, xy: np.ndarray) -> np.ndarray:
    """Return the order of the candidates by score, then error, then position, independent of their given order."""
    scores = -limbs.scores.astype(np.float32)  # float32, so that scores that differ only by rounding are equal
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
        # y before x, so that a mirrored scene has the same order.
        places = (limbs.ends[:, 0], limbs.starts[:, 0], end[:, 0], start[:, 0], end[:, 1], start[:, 1])
        order[tied] = some[np.lexsort((*places, limbs.errors.astype(np.float32), scores[tied]))]
    return order
