"""Candidate limbs: pairs of peaks, scored by the distance from the guided position of one to the other (Sec. 2.3)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gog_pose.maps.localize import read_vectors
from gog_pose.maps.peaks import Peaks

if TYPE_CHECKING:
    import torch

LARGEST_SPREAD = 20.0  # log px; its exponential is finite
_ROUNDING = 1e-9  # relative; a bound excludes only pairs that miss the gate by more than this


class Limbs(NamedTuple):
    """M candidate limbs of one image, in no particular order.

    Attributes:
        starts: ``(M, 2)`` the peak J_from as (keypoint type, rank among the peaks of that type).
        ends: ``(M, 2)`` the peak J_to.
        scores: ``(M,)`` S(J_from, J_to).
        errors: ``(M,)`` dl, px, input image: distance from J_guid to J_to.
    """

    starts: np.ndarray
    ends: np.ndarray
    scores: np.ndarray
    errors: np.ndarray


def follow_offsets(peaks: Peaks, offsets: torch.Tensor, limbs: Sequence[Sequence[int]], stride: int) -> torch.Tensor:
    """Return J_guid, the positions to which the guiding offsets lead from every peak that can start a limb.

    The offset map is interpolated bilinearly at the peaks only, with the same values as an upsampled map.

    Args:
        peaks: Peaks of B images, n per type.
        offsets: ``(B, 2L, h, w)`` px, input image.
        limbs: L pairs of keypoint types.
        stride: Px of the input image per cell, R.

    Returns:
        ``(B, L, n, 2)`` float32 px, input image. Not finite where the map is not.
    """
    starts = peaks.xy[:, [start for start, _ in limbs]]
    maps = offsets.reshape(-1, len(limbs), 2, *offsets.shape[2:])  # a view in every memory format
    return starts + read_vectors(maps, starts, stride)


def read_spreads(peaks: Peaks, spreads: torch.Tensor, limbs: Sequence[Sequence[int]], stride: int) -> torch.Tensor:
    """Return the spreads b of the guiding offsets of every peak that can start a limb.

    The map of log b is interpolated bilinearly at the peaks, like the offsets in ``follow_offsets``.

    Args:
        peaks: Peaks of B images, n per type.
        spreads: ``(B, L, h, w)`` log b, b in px, input image.
        limbs: L pairs of keypoint types.
        stride: Px of the input image per cell, R.

    Returns:
        ``(B, L, n)`` float32 b, px, input image, at most ``e^20``. NaN where the map is not finite.
    """
    starts = peaks.xy[:, [start for start, _ in limbs]]
    return read_vectors(spreads[:, :, None], starts, stride)[..., 0].clamp(max=LARGEST_SPREAD).exp()


def score_limbs(
    xy: np.ndarray,
    responses: np.ndarray,
    guides: np.ndarray,
    limbs: Sequence[Sequence[int]],
    *,
    gate: float,
    gate_ratio: float,
    min_length: float,
    decays: np.ndarray | None = None,
    threshold: float = 0.0,
) -> Limbs:
    """Score every pair of peaks that may be a limb: ``S = r_from r_to exp(-dl / L)`` (Sec. 2.3).

    With decays, the decay of the start replaces the limb's length L in the score; the gates do not change.

    Args:
        xy: ``(K, n, 2)`` peaks of one image, px, input image.
        responses: ``(K, n)`` their responses r; 0 = no peak.
        guides: ``(L, n, 2)`` J_guid of the starts, px, input image.
        limbs: L pairs of keypoint types.
        gate: Pairs with an error dl below this always pass, px, input image.
        gate_ratio: Pairs with an error below this part of the limb's length L pass, too.
        min_length: Lower bound of L, or of the decay, in the score, px, input image.
        decays: ``(L, n)`` decay of each start: the error at which the score of its limbs falls to 1/e, px, input image.
            A start with a decay of NaN has no limb. None: the length L of each limb.
        threshold: Lowest score S of a candidate.

    Returns:
        The candidates.
    """
    pairs = np.asarray(limbs, dtype=np.intp).reshape(-1, 2)
    start_xy, end_xy = xy[pairs[:, 0]].astype(np.float64), xy[pairs[:, 1]].astype(np.float64)
    # Guides that are not finite, or so far that they overflow, have errors that are not finite and pass no gate.
    with np.errstate(invalid="ignore", over="ignore"):
        errors, lengths = (_squared_distances(point, end_xy) for point in (guides.astype(np.float64), start_xy))
        # Most pairs are far apart. Roots and scores are computed only for pairs near the gate.
        lengths *= gate_ratio * gate_ratio
        near = np.flatnonzero(errors < np.maximum(lengths, gate * gate) * (1 + _ROUNDING))
        error = np.sqrt(errors.take(near))
    limb, start, end = np.unravel_index(near, errors.shape)
    first, second = pairs[limb].T
    vectors = end_xy[limb, end] - start_xy[limb, start]
    length = np.sqrt((vectors * vectors).sum(axis=1))
    product = responses[first, start].astype(np.float64) * responses[second, end]
    decay = length if decays is None else decays[limb, start]
    scores = product * np.exp(-error / np.maximum(decay, min_length))
    passed = (error < np.maximum(gate, gate_ratio * length)) & (product > 0) & (scores >= threshold)
    return Limbs(
        np.stack([first, start], axis=1)[passed],
        np.stack([second, end], axis=1)[passed],
        scores[passed],
        error[passed],
    )


def merge_directions(candidates: Limbs, limbs: Sequence[Sequence[int]], shape: tuple[int, int]) -> Limbs:
    """Merge the two candidates of each limb that is listed in both directions; the new score is their mean.

    Each direction is scored by the offset of its start; a direction that passed no gate counts as 0. The candidates of
    limbs that are listed in one direction do not change.

    Args:
        candidates: Limbs of one image.
        limbs: L pairs of keypoint types.
        shape: K types and n peaks per type.

    Returns:
        At most one candidate per pair of peaks.
    """
    two_way = _two_way(tuple((start, end) for start, end in limbs), shape[0])
    if not two_way.any():
        return candidates
    count = shape[0] * shape[1]
    starts, ends = (np.ravel_multi_index(peaks.T, shape) for peaks in (candidates.starts, candidates.ends))
    pairs, place = np.unique(np.minimum(starts, ends) * count + np.maximum(starts, ends), return_inverse=True)
    lower, upper = (np.stack(np.unravel_index(peaks, shape), axis=1) for peaks in np.divmod(pairs, count))
    scores, errors, found = (
        np.bincount(place, weights, len(pairs)) for weights in (candidates.scores, candidates.errors, None)
    )
    return Limbs(lower, upper, scores / np.where(two_way[lower[:, 0], upper[:, 0]], 2, found), errors / found)


@lru_cache(maxsize=8)
def _two_way(limbs: tuple[tuple[int, int], ...], types: int) -> np.ndarray:
    """Return ``(K, K)`` bool, True for pairs of types that limbs connect in both directions."""
    listed = np.zeros((types, types), dtype=bool)
    for start, end in limbs:
        listed[start, end] = True
    return np.asarray(listed & listed.T)


def _squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the ``(L, n, n)`` squared distances between two sets of ``(L, n, 2)`` points."""
    x, y = (a[:, :, None, axis] - b[:, None, :, axis] for axis in range(2))
    x *= x
    y *= y
    x += y
    return np.asarray(x)
