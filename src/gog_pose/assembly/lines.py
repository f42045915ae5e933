"""Candidate limbs of limb maps: pairs of peaks, scored by the responses along the line between them.

Source: Li, Su, Wang, "Simple Pose" (AAAI 2020), Sec. "Keypoint grouping", and its public program.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from gog_pose.assembly.limbs import Limbs

# Function of ``(N,)`` indices of maps and ``(N, 2)`` points, px of the input, that returns ``(N,)`` responses.
Read: TypeAlias = Callable[[np.ndarray, np.ndarray], np.ndarray]

_CHUNK = 1024  # lines per step, so that the arrays of their points stay in the cache of a core


class Lines(NamedTuple):
    """M candidate limbs of one image.

    Attributes:
        limb: ``(M,)`` index of the limb type.
        start: ``(M,)`` rank of the peak at the first end among those of its type.
        end: ``(M,)`` rank of the peak at the second end.
        strength: ``(M,)`` mean response along the line, minus a penalty for very long limbs.
        length: ``(M,)`` px, input image.
    """

    limb: np.ndarray
    start: np.ndarray
    end: np.ndarray
    strength: np.ndarray
    length: np.ndarray

    def chosen(self, rows: np.ndarray) -> Lines:
        """Return the candidates that a mask or an array of indices selects."""
        return Lines(*(field[rows] for field in self))


def all_lines(xy: np.ndarray, responses: np.ndarray, limbs: Sequence[Sequence[int]]) -> Lines:
    """Return all pairs of peaks that may be a limb, with strength 0.

    Args:
        xy: ``(K, n, 2)`` peaks of one image, px, input image.
        responses: ``(K, n)`` their responses; 0 = no peak.
        limbs: L pairs of keypoint types.
    """
    starts, ends = np.array(limbs, dtype=np.intp).T
    found = responses > 0
    limb, start, end = np.nonzero(found[starts][:, :, None] & found[ends][:, None, :])
    vectors = (xy[ends[limb], end] - xy[starts[limb], start]).astype(np.float64)
    lines = Lines(limb, start, end, np.zeros(len(limb)), np.hypot(*vectors.T))
    return lines.chosen(lines.length > 0)


def score_lines(
    lines: Lines,
    xy: np.ndarray,
    limbs: Sequence[Sequence[int]],
    read: Read,
    *,
    samples: int,
    threshold: float,
    consistency: float,
    longest: float,
    may_respond: Read | None = None,
) -> Lines:
    """Score pairs of peaks by the responses of the limb's map at equidistant points on the line between them.

    Args:
        lines: Pairs of peaks.
        xy: ``(K, n, 2)`` peaks of one image, px, input image.
        limbs: L pairs of keypoint types.
        read: Returns the responses of limb maps at points.
        samples: Points per line, including both ends; at least 2.
        threshold: A point responds if its response is higher.
        consistency: Smallest part of the points that must respond.
        longest: The strength of longer limbs is reduced by ``1 - longest / length``, px, input image.
        may_respond: Cheap test for points whose response may exceed the threshold. If given, only lines that may
            respond at enough points are read; the result is the same.

    Returns:
        The lines with enough responding points and a positive strength. Responses above 1, which interpolation causes
        near the ends of a limb, count as 1; otherwise short lines would be the strongest.
    """
    starts, ends = np.array(limbs, dtype=np.intp).T
    first = xy[starts[lines.limb], lines.start].astype(np.float64)
    vectors = xy[ends[lines.limb], lines.end] - first
    needed = math.ceil(consistency * samples - 1e-9)
    places = np.arange(samples)[:, None] / (samples - 1)

    def along(look: Read, rows: np.ndarray) -> np.ndarray:
        values = np.empty((samples, len(rows)))
        for begin in range(0, len(rows), _CHUNK):
            part = rows[begin : begin + _CHUNK]
            points = first[part].T[:, None] + places * vectors[part].T[:, None]  # (2, samples, lines)
            source = np.tile(lines.limb[part], samples)
            values[:, begin : begin + _CHUNK] = look(source, points.reshape(2, -1).T).reshape(samples, -1)
        return values

    rows = np.arange(len(first))
    if may_respond is not None:
        rows = rows[along(may_respond, rows).sum(axis=0) >= needed]
    values = along(read, rows)
    length = lines.length[rows]
    strength = np.minimum(values, 1).mean(axis=0) + np.minimum(longest / length - 1, 0)
    kept = ((values > threshold).sum(axis=0) >= needed) & (strength > 0)
    return lines.chosen(rows)._replace(strength=strength).chosen(kept)


def choose_one_to_one(lines: Lines, xy: np.ndarray, responses: np.ndarray, limbs: Sequence[Sequence[int]]) -> Lines:
    """Choose limbs greedily so that no two of the same type share a peak.

    Limbs are visited in the order of half the strength plus a quarter of each end's response, the highest first; ties
    are resolved by position.

    Returns:
        The chosen limbs, type by type, the best of each type first.
    """
    starts, ends = np.array(limbs, dtype=np.intp).T
    start, end = (starts[lines.limb], lines.start), (ends[lines.limb], lines.end)
    value = 0.5 * lines.strength + 0.25 * responses[start] + 0.25 * responses[end]
    places = (xy[end][:, 0], xy[start][:, 0], xy[end][:, 1], xy[start][:, 1])  # y first, as the last keys
    order = np.lexsort((*places, -value.astype(np.float32), lines.limb))
    taken: set[tuple[int, int, int]] = set()
    chosen = []
    rows = zip(order.tolist(), *(field[order].tolist() for field in lines[:3]), strict=True)
    for row, limb, one, other in rows:
        keys = {(limb, 0, one), (limb, 1, other)}
        if not keys & taken:
            taken |= keys
            chosen.append(row)
    return lines.chosen(np.array(chosen, dtype=np.intp))


def as_limbs(lines: Lines, responses: np.ndarray, limbs: Sequence[Sequence[int]]) -> Limbs:
    """Convert lines to candidates for ``group_limbs``: ``S = r_start r_end strength``, as for offsets in Sec. 2.3."""
    starts, ends = np.array(limbs, dtype=np.intp).T
    start = np.stack([starts[lines.limb], lines.start], axis=1)
    end = np.stack([ends[lines.limb], lines.end], axis=1)
    product = responses[tuple(start.T)].astype(np.float64) * responses[tuple(end.T)]
    return Limbs(start, end, product * lines.strength, np.zeros(len(lines.limb)))
