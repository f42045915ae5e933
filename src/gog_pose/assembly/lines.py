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

_CHUNK = 384  # lines per step, so that the arrays of their points stay in the cache of a core


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
    x, y = (xy[ends, None, :, axis] - xy[starts, :, None, axis] for axis in (0, 1))  # (L, n, n)
    pairs = found[starts, :, None] & found[ends, None, :] & ((x != 0) | (y != 0))
    length = np.hypot(x[pairs].astype(np.float64), y[pairs].astype(np.float64))
    limb, start, end = np.nonzero(pairs)
    return Lines(limb, start, end, np.zeros(len(length)), length)


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
    first = xy[starts[lines.limb], lines.start].T.astype(np.float64, order="C")  # (2, M)
    vectors = xy[ends[lines.limb], lines.end].T - first
    needed = math.ceil(consistency * samples - 1e-9)
    places = np.arange(samples)[:, None] / (samples - 1)

    def along(look: Read, rows: np.ndarray, kind: type) -> np.ndarray:
        values: np.ndarray = np.empty((samples, len(rows)), dtype=kind)
        limb, origins, spans = lines.limb[rows], first[:, None, rows], vectors[:, None, rows]
        for begin in range(0, len(rows), _CHUNK):
            part = slice(begin, begin + _CHUNK)
            points = places * spans[..., part]  # (2, samples, lines)
            points += origins[..., part]
            source = np.tile(limb[part], samples)
            values[:, part] = look(source, points.reshape(2, -1).T).reshape(samples, -1)
        return values

    rows = np.arange(len(lines.limb))
    if may_respond is not None:
        rows = rows[along(may_respond, rows, bool).sum(axis=0) >= needed]
    values = along(read, rows, float)
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
    order = _best_of_each_type_first(lines, xy, responses, limbs)
    sides = 2 * lines.limb, 2 * lines.limb + 1  # of each limb type, whose peaks are numbered from side * n
    peaks = (side * responses.shape[1] + rank for side, rank in zip(sides, lines[1:3], strict=True))
    taken: set[int] = set()
    chosen = []
    for row, one, other in zip(order.tolist(), *(peak[order].tolist() for peak in peaks), strict=True):
        if one not in taken and other not in taken:
            taken |= {one, other}
            chosen.append(row)
    return lines.chosen(np.array(chosen, dtype=np.intp))


def _best_of_each_type_first(
    lines: Lines, xy: np.ndarray, responses: np.ndarray, limbs: Sequence[Sequence[int]]
) -> np.ndarray:
    """Return the order of ``choose_one_to_one``: by type, then value, then position."""
    starts, ends = np.array(limbs, dtype=np.intp).T
    start, end = (starts[lines.limb], lines.start), (ends[lines.limb], lines.end)
    value = 0.5 * lines.strength + 0.25 * responses[start] + 0.25 * responses[end]
    keys = np.stack([-value.astype(np.float32), lines.limb])
    order = np.lexsort(keys)
    equal = (keys[:, order[1:]] == keys[:, order[:-1]]).all(axis=0)
    tied = np.zeros(len(order), dtype=bool)
    tied[1:] = equal
    tied[:-1] |= equal
    some = order[tied]
    start_xy, end_xy = xy[starts[lines.limb[some]], lines.start[some]], xy[ends[lines.limb[some]], lines.end[some]]
    places = (end_xy[:, 0], start_xy[:, 0], end_xy[:, 1], start_xy[:, 1])  # y first, as the last keys
    order[tied] = some[np.lexsort((*places, *keys[:, some]))]
    return order


def as_limbs(lines: Lines, responses: np.ndarray, limbs: Sequence[Sequence[int]]) -> Limbs:
    """Convert lines to candidates for ``group_limbs``: ``S = r_start r_end strength``, as for offsets in Sec. 2.3."""
    starts, ends = np.array(limbs, dtype=np.intp).T
    start = np.stack([starts[lines.limb], lines.start], axis=1)
    end = np.stack([ends[lines.limb], lines.end], axis=1)
    product = responses[tuple(start.T)].astype(np.float64) * responses[tuple(end.T)]
    return Limbs(start, end, product * lines.strength, np.zeros(len(lines.limb)))
