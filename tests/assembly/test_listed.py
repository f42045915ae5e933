"""Listed grouping: each rule by hand."""

import numpy as np
import pytest

from gog_pose.assembly.lines import Lines
from gog_pose.assembly.listed import group_listed, with_single_peaks

LIMBS = [(0, 1), (1, 2), (3, 2), (0, 3)]
RESPONSES = np.full((4, 3), 0.5)


def grouped(*rows, length_ratio=16.0, merge_tolerance=0.7, both_ends=True):
    """Group limbs given as (limb, start, end, strength) or with the length as well."""
    columns = zip(*((*row, 10.0)[:5] for row in rows), strict=True)
    kinds = (np.intp, np.intp, np.intp, float, float)
    lines = Lines(*(np.array(column, dtype=kind) for column, kind in zip(columns, kinds, strict=True)))
    rules = {"length_ratio": length_ratio, "merge_tolerance": merge_tolerance, "both_ends": both_ends}
    return group_listed(lines, RESPONSES, LIMBS, **rules)


def test_a_limb_founds_a_person_and_the_next_extends_it():
    rows = grouped((0, 0, 1, 0.9), (1, 1, 2, 0.8), (0, 2, 2, 0.7))
    assert rows.people.tolist() == [[0, 1, 2, -1], [2, 2, -1, -1]]
    np.testing.assert_allclose(rows.strengths, [[0.9, 0.9, 0.8, 0], [0.7, 0.7, 0, 0]])
    np.testing.assert_allclose(rows.totals, [3 * 0.5 + 0.9 + 0.8, 2 * 0.5 + 0.7])


def test_the_first_end_is_taken_through_the_second_unless_the_programs_rules_are_asked_for():
    limbs = (1, 0, 0, 0.8), (2, 1, 0, 0.6)  # type 3 leads to type 2, which the person has
    assert grouped(*limbs).people.tolist() == [[-1, 0, 0, 1]]
    assert grouped(*limbs, both_ends=False).people.tolist() == [[-1, 0, 0, -1]]


def test_a_limb_that_is_not_shorter_than_the_ratio_allows_brings_nothing():
    for length, expected in ((19.9, 2), (20.0, -1)):
        rows = grouped((0, 0, 1, 0.9, 10.0), (1, 1, 2, 0.8, length), length_ratio=2.0)
        assert rows.people.tolist() == [[0, 1, expected, -1]]
        assert rows.longest.tolist() == [length if expected == 2 else 10.0]


def test_a_stronger_limb_replaces_a_peak():
    limbs = (0, 0, 0, 0.5), (1, 0, 0, 0.4), (3, 0, 1, 0.3)  # peaks 0 of types 0 to 2, peak 1 of type 3
    for strength, end in ((0.6, 2), (0.4, 0)):
        rows = grouped(*limbs, (2, 1, 2, strength))
        assert rows.people.tolist() == [[0, 0, end, 1]]
        gain = 0.2 if end == 2 else 0.0
        np.testing.assert_allclose(rows.totals, [4 * 0.5 + 0.5 + 0.4 + 0.3 + gain])


def test_a_limb_between_two_peaks_of_a_person_may_raise_a_strength():
    rows = grouped((0, 0, 0, 0.5), (1, 0, 0, 0.4), (3, 0, 1, 0.3), (2, 1, 0, 0.9))
    np.testing.assert_allclose(rows.strengths, [[0.5, 0.5, 0.9, 0.3]])
    np.testing.assert_allclose(rows.totals, [4 * 0.5 + 0.5 + 0.9 + 0.3])


@pytest.mark.parametrize(("strength", "people"), [(0.36, 1), (0.34, 2)])
def test_two_people_without_a_common_type_are_joined_by_a_limb_that_is_strong_enough(strength, people):
    rows = grouped((0, 0, 0, 0.5), (2, 0, 0, 0.9), (3, 0, 0, strength))
    assert len(rows.people) == people
    if people == 1:
        assert rows.people.tolist() == [[0, 0, 0, 0]]
        np.testing.assert_allclose(rows.totals, [4 * 0.5 + 0.5 + 0.9 + strength])


def test_two_people_with_a_common_type_stay_two():
    rows = grouped((0, 0, 0, 0.5), (1, 1, 1, 0.5), (2, 0, 1, 0.5), (3, 0, 0, 0.9))
    assert rows.people.tolist() == [[0, 0, -1, -1], [-1, 1, 1, 0]]


def test_nobody_and_single_peaks():
    nobody = Lines(*(np.zeros(0, dtype=kind) for kind in (np.intp, np.intp, np.intp, float, float)))
    rows = group_listed(nobody, RESPONSES, LIMBS, length_ratio=16.0, merge_tolerance=0.7)
    assert rows.people.shape == (0, 4)
    responses = np.array([[0.5, 0.4], [0.3, 0.0]])
    assert with_single_peaks(np.array([[1, 0]]), responses).tolist() == [[1, 0], [0, -1]]
    assert with_single_peaks(np.zeros((0, 2), dtype=np.intp), responses).tolist() == [[0, -1], [1, -1], [-1, 0]]
