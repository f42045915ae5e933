"""Listed grouping: limbs join peaks into people one type after the other, in the order of the skeleton's list.

Source: the public program of Li, Su, Wang, "Simple Pose" (AAAI 2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gog_pose.assembly.lines import Lines


class Rows(NamedTuple):
    """N people.

    Attributes:
        people: ``(N, K)`` of each type the rank of the peak they have, -1 = none.
        strengths: ``(N, K)`` of the limb that brought it; 0 where there is none.
        totals: ``(N,)`` sum of the responses of their peaks and the strengths of their limbs.
        longest: ``(N,)`` px, their longest limbs.
    """

    people: np.ndarray
    strengths: np.ndarray
    totals: np.ndarray
    longest: np.ndarray


@dataclass
class _Row:
    """One person under construction: the rank and the limb's strength of each type that it has."""

    ranks: dict[int, int]
    strengths: dict[int, float]
    total: float
    longest: float


def group_listed(
    lines: Lines,
    responses: np.ndarray,
    limbs: Sequence[Sequence[int]],
    *,
    length_ratio: float,
    merge_tolerance: float,
    both_ends: bool = True,
) -> Rows:
    """Group the peaks of one image into people.

    A limb of which nobody has an end founds a person. A limb of which one person has an end brings the other end, and
    replaces another peak of its type that a weaker limb brought. A limb between two people without a common type joins
    them.

    Args:
        lines: Chosen limbs, type by type.
        responses: ``(K, n)`` responses of the peaks.
        limbs: L pairs of keypoint types.
        length_ratio: A limb must be shorter than this many times the longest limb of the person whom it extends.
        merge_tolerance: Two people are not joined by a limb weaker than this part of the weakest of theirs.
        both_ends: Whether a person found through the second end of a limb gets the first. In the public program it
            never does.

    Returns:
        The people; one peak can be in two of them if a replacement brought it.
    """
    rows: list[_Row] = []
    values = zip(*(field.tolist() for field in lines), strict=True)
    for limb, start, end, strength, length in values:
        ends = dict(zip(limbs[limb], (start, end), strict=True))
        first, second = limbs[limb]
        holders = [row for row in rows if any(row.ranks.get(kind) == rank for kind, rank in ends.items())]
        if not holders:
            total = float(responses[first, start] + responses[second, end]) + strength
            rows.append(_Row(ends, dict.fromkeys(ends, strength), total, length))
        elif len(holders) == 1:
            (row,) = holders
            if row.ranks.get(second) == end:
                if row.ranks.get(first) == start or not both_ends:
                    gain = max(strength - row.strengths[second], 0.0)
                    row.strengths[second] += gain
                    row.total += gain
                    continue
                kind, rank = first, start
            else:
                kind, rank = second, end
            if length < length_ratio * row.longest:
                _bring(row, kind, rank, strength, length, responses)
        else:
            row, other = holders[:2]
            weakest = min(min(row.strengths.values()), min(other.strengths.values()))
            apart = row.ranks.keys().isdisjoint(other.ranks)
            if apart and strength >= merge_tolerance * weakest and length < length_ratio * row.longest:
                row.ranks |= other.ranks
                row.strengths |= other.strengths
                row.total += other.total + strength
                row.longest = max(row.longest, length)
                rows = [one for one in rows if one is not other]
    return _as_arrays(rows, len(responses))


def _bring(row: _Row, kind: int, rank: int, strength: float, length: float, responses: np.ndarray) -> None:
    """Give a person a peak, if it has none of the type or one that a weaker limb brought."""
    if kind in row.ranks:
        if strength <= row.strengths[kind]:
            return
        row.total -= float(responses[kind, row.ranks[kind]]) + row.strengths[kind]
    row.ranks[kind], row.strengths[kind] = rank, strength
    row.total += float(responses[kind, rank]) + strength
    row.longest = max(row.longest, length)


def _as_arrays(rows: Sequence[_Row], types: int) -> Rows:
    people = np.full((len(rows), types), -1, dtype=np.intp)
    strengths = np.zeros((len(rows), types))
    for number, row in enumerate(rows):
        kinds = list(row.ranks)
        people[number, kinds] = list(row.ranks.values())
        strengths[number, kinds] = [row.strengths[kind] for kind in kinds]
    totals, longest = (np.array([getattr(row, name) for row in rows], dtype=float) for name in ("total", "longest"))
    return Rows(people, strengths, totals, longest)


def with_single_peaks(people: np.ndarray, responses: np.ndarray) -> np.ndarray:
    """Return ``(N, K)`` people, and as a person of its own each peak that nobody has."""
    free = responses > 0
    person, kind = np.nonzero(people >= 0)
    free[kind, people[person, kind]] = False
    kinds, ranks = np.nonzero(free)
    singles = np.full((len(kinds), people.shape[1]), -1, dtype=np.intp)
    singles[np.arange(len(kinds)), kinds] = ranks
    return np.concatenate([people, singles])
