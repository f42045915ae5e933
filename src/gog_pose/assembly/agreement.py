"""Support: a limb whose two ends agree on a third keypoint is surer than its own score says.

Where keypoints of two people lie so close that the offsets of one are read at the peak of the other, both peaks lead to
the same end with the same score, and which limb is taken up first is chance. The rest of the skeleton decides: the ends
of a true limb are joined to the same third keypoints. It needs triangles of limbs; the more the skeleton has, the more
it helps.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from gog_pose.assembly.limbs import Limbs


def add_agreement(candidates: Limbs, limbs: Sequence[Sequence[int]], shape: tuple[int, int], weight: float) -> Limbs:
    """Raise the score of each candidate by the triangles that it is part of.

    A candidate from a to b gains, for every type that limbs join to both, the best ``min(S_ac, S_bc)`` over the peaks
    c of the type.

    Args:
        candidates: Limbs of one image.
        limbs: L pairs of keypoint types; what direction they have does not matter here.
        shape: K types and n peaks a type.
        weight: Of what is gained; 0 leaves the scores as they are.

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
    gains.sort(axis=1)  # a mirrored skeleton lists the thirds in another order; the sum must be the same
    return candidates._replace(scores=candidates.scores + weight * gains.sum(axis=1))


@lru_cache(maxsize=8)
def _thirds(limbs: tuple[tuple[int, int], ...], types: int) -> np.ndarray:
    """Return ``(K, K, T)`` types that limbs join to both of two types.

    Where there are fewer than T the first of the two types fills up: no limb leads from a type to itself.
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
