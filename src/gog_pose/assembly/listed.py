"""Listed grouping: limbs join peaks into people, one limb type after the other in the order of the skeleton.

Source: the public program of Li, Su, Wang, "Simple Pose" (AAAI 2020).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gog_pose.assembly.lines import Lines


class Rows(NamedTuple):
    """N people.

    Attributes:
        people: ``(N, K)`` for each type the rank of the person's peak, -1 = none.
        strengths: ``(N, K)`` strength of the limb that added the peak; 0 where there is none.
        totals: ``(N,)`` sum of the responses of a person's peaks and the strengths of its limbs.
        longest: ``(N,)`` length of each person's longest limb, px.
    """

    people: np.ndarray
    strengths: np.ndarray
    totals: np.ndarray
    longest: np.ndarray


@dataclass(eq=False)
class _Row:
    """One person under construction, with the peak's rank and the limb's strength for each type that it has."""

    number: int
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

    If no person has an end of a limb, the limb starts a new person. If one person has an end, the limb adds its other
    end to that person and replaces a peak of the same type that a weaker limb added. A limb between two people without
    a common type joins them.

    Args:
        lines: Chosen limbs, type by type.
        responses: ``(K, n)`` responses of the peaks.
        limbs: L pairs of keypoint types.
        length_ratio: A limb must be shorter than this many times the longest limb of the person that it extends.
        merge_tolerance: A limb joins two people only if its strength is at least this part of their weakest limb's.
        both_ends: Whether a limb whose second end a person has adds its first end. The public program never does this.

    Returns:
        The people. A peak can belong to two people if it was added as a replacement.
    """
    rows: dict[int, _Row] = {}
    holders: dict[tuple[int, int], list[_Row]] = defaultdict(list)  # of each peak, by type and rank
    values = zip(*(field.tolist() for field in lines), strict=True)
    for number, (limb, start, end, strength, length) in enumerate(values):
        first, second = peaks = tuple(zip(limbs[limb], (start, end), strict=True))
        having = sorted({*holders[first], *holders[second]}, key=lambda row: row.number)
        if not having:
            total = float(responses[first] + responses[second]) + strength
            row = _Row(number, dict(peaks), dict.fromkeys(dict(peaks), strength), total, length)
            rows[number] = row
            for peak in peaks:
                holders[peak].append(row)
        elif len(having) == 1:
            (row,) = having
            has_first, has_second = (row.ranks.get(kind) == rank for kind, rank in peaks)
            if has_second and (has_first or not both_ends):
                gain = max(strength - row.strengths[second[0]], 0.0)
                row.strengths[second[0]] += gain
                row.total += gain
            elif length < length_ratio * row.longest:
                _bring(row, first if has_second else second, strength, length, responses, holders)
        else:
            row, other = having[:2]
            weakest = min(min(row.strengths.values()), min(other.strengths.values()))
            apart = row.ranks.keys().isdisjoint(other.ranks)
            if apart and strength >= merge_tolerance * weakest and length < length_ratio * row.longest:
                for peak in other.ranks.items():
                    holders[peak].remove(other)
                    holders[peak].append(row)
                row.ranks |= other.ranks
                row.strengths |= other.strengths
                row.total += other.total + strength
                row.longest = max(row.longest, length)
                del rows[other.number]
    return _as_arrays(list(rows.values()), len(responses))


def _bring(
    row: _Row,
    peak: tuple[int, int],
    strength: float,
    length: float,
    responses: np.ndarray,
    holders: dict[tuple[int, int], list[_Row]],
) -> None:
    """Add a peak to a person if the person has none of its type or has one that a weaker limb added."""
    kind, rank = peak
    if kind in row.ranks:
        if strength <= row.strengths[kind]:
            return
        replaced = kind, row.ranks[kind]
        holders[replaced].remove(row)
        row.total -= float(responses[replaced]) + row.strengths[kind]
    holders[peak].append(row)
    row.ranks[kind], row.strengths[kind] = rank, strength
    row.total += float(responses[peak]) + strength
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
    """Return the ``(N, K)`` people and, as additional people, each peak that belongs to nobody."""
    free = responses > 0
    person, kind = np.nonzero(people >= 0)
    free[kind, people[person, kind]] = False
    kinds, ranks = np.nonzero(free)
    singles = np.full((len(kinds), people.shape[1]), -1, dtype=np.intp)
    singles[np.arange(len(kinds)), kinds] = ranks
    return np.concatenate([people, singles])
