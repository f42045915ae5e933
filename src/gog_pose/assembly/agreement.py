"""Agreement: a higher score for limbs whose two ends are connected to the same third keypoint.

If keypoints of two people are so close that the offsets of one are read at the peak of the other, both peaks lead to
the same end with the same score, and the choice between them is arbitrary. Agreement uses the rest of the skeleton: the
ends of a true limb are connected to the same third keypoints. This requires triangles of limbs; the more triangles a
skeleton has, the more agreement helps.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from gog_pose.assembly.limbs import Limbs


def add_agreement(candidates: Limbs, limbs: Sequence[Sequence[int]], shape: tuple[int, int], weight: float) -> Limbs:
    """Raise the score of each candidate by the triangles that it is part of.

    For every type that limbs connect to both ends, a candidate from a to b gains the best ``min(S_ac, S_bc)`` over the
    peaks c of that type.

    Args:
        candidates: Limbs of one image.
        limbs: L pairs of keypoint types; their direction does not matter.
        shape: K types and n peaks per type.
        weight: Factor of the gain; 0 leaves the scores unchanged.

    Returns:
        The same candidates with new scores, which may exceed 1.
    """
    thirds = _thirds(tuple((start, end) for start, end in limbs), shape[0])
    if not weight or not len(candidates.scores) or not thirds.shape[2]:
        return candidates
    types, ranks = (np.stack([ends[:, i] for ends in (candidates.starts, candidates.ends)]) for i in (0, 1))
    scores = np.zeros((shape[0], shape[1], *shape), dtype=np.float64)
    for start, end in ((0, 1), (1, 0)):
        scores[types[start], ranks[start], types[end], ranks[end]] = candidates.scores

    third = thirds[types[0], types[1]]  # (M, T)
    from_start, from_end = (
        scores[kind[:, None], rank[:, None], third] for kind, rank in zip(types, ranks, strict=True)
    )
    gains = np.minimum(from_start, from_end).max(axis=2)
    gains.sort(axis=1)  # so that a mirrored skeleton, with another order of the thirds, gives the same sum
    return candidates._replace(scores=candidates.scores + weight * gains.sum(axis=1))


@lru_cache(maxsize=8)
def _thirds(limbs: tuple[tuple[int, int], ...], types: int) -> np.ndarray:
    """Return the ``(K, K, T)`` types that limbs connect to both of two types.

    If there are fewer than T, the rest is the first of the two types: no limb leads from a type to itself.
    """
    joined = np.zeros((types, types), dtype=bool)
    for start, end in limbs:
        joined[start, end] = joined[end, start] = True
    common = {(a, b): np.flatnonzero(joined[a] & joined[b]) for a, b in np.argwhere(joined).tolist()}
    most = max((len(found) for found in common.values()), default=0)
    table = np.repeat(np.arange(types)[:, None], types, axis=1)[..., None].repeat(most, axis=2)
    for (a, b), found in common.items():
        table[a, b, : len(found)] = found
    return table
