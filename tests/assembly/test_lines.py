"""Limbs from maps: strengths by hand, the shortcut against reading all positions, one limb per peak."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gog_pose.assembly.lines import Lines, all_lines, as_limbs, choose_one_to_one, score_lines
from gog_pose.maps.surface import read_surface

CHAIN = [(0, 1), (1, 2)]
RULES = {"samples": 5, "threshold": 0.1, "consistency": 0.8, "longest": 100.0}


def test_all_pairs_of_peaks_but_those_in_one_place():
    xy = np.array([[[0, 0], [9, 0]], [[3, 4], [9, 0]], [[5, 5], [0, 0]]], dtype=np.float32)
    responses = np.array([[1, 0.5], [0.8, 0.7], [0.9, 0]])  # the last type has one peak
    lines = all_lines(xy, responses, CHAIN)
    rows = {tuple(row[:3]): row[4] for row in zip(*(field.tolist() for field in lines), strict=True)}
    assert set(rows) == {(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0), (1, 1, 0)}  # (0, 1, 1) has no length
    assert rows[0, 0, 0] == 5.0
    assert len(all_lines(xy, np.zeros((3, 2)), CHAIN).limb) == 0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_lines_are_those_of_a_loop_over_pairs(seed):
    random = np.random.default_rng(seed)
    xy = random.integers(0, 3, (3, 4, 2)).astype(np.float32) / 3
    responses = random.random((3, 4)) * (random.random((3, 4)) < 0.8)
    expected = [
        (limb, i, j, 0.0, float(np.hypot(*(xy[end, j] - xy[start, i]).astype(np.float64))))
        for limb, (start, end) in enumerate(CHAIN)
        for i, j in np.ndindex(4, 4)
        if responses[start, i] > 0 and responses[end, j] > 0 and (xy[end, j] != xy[start, i]).any()
    ]
    rows = zip(*(field.tolist() for field in all_lines(xy, responses, CHAIN)), strict=True)
    assert list(rows) == expected


@pytest.mark.parametrize(
    ("values", "longest", "expected"),
    [
        ([0.2, 0.4, 0.6, 0.8, 1.0], 100.0, 0.6),
        ([0.0, 0.4, 0.6, 0.8, 1.0], 100.0, 0.56),  # four of five respond
        ([0.0, 0.4, 0.1, 0.8, 1.0], 100.0, None),  # three do: 0.1 is not higher than 0.1
        ([0.5] * 5, 20.0, 0.0),  # twice as long as allowed: 0.5 - 0.5
        ([0.5] * 5, 30.0, 0.25),
    ],
)
def test_strengths_by_hand(values, longest, expected):
    xy = np.array([[[0, 0]], [[40, 0]], [[0, 0]]], dtype=np.float32)
    lines = all_lines(xy, np.array([[1.0], [1.0], [0.0]]), CHAIN)
    read = lambda source, points: np.interp(points[:, 0], [0, 10, 20, 30, 40], values)  # noqa: E731
    scored = score_lines(lines, xy, CHAIN, read, **{**RULES, "longest": longest})
    if expected is None or expected == 0:
        assert len(scored.strength) == 0
    else:
        np.testing.assert_allclose(scored.strength, [expected])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.3, 0.8, 1.0]), st.sampled_from([2, 7, 20]))
def test_the_shortcut_changes_nothing(seed, consistency, samples):
    random = np.random.default_rng(seed)
    xy = random.uniform(0, 60, (3, 4, 2)).astype(np.float32)
    responses = random.uniform(0, 1, (3, 4)) * (random.random((3, 4)) < 0.8)
    maps = random.uniform(-0.2, 0.6, (2, 15, 15)).astype(np.float32)
    read = lambda source, points: read_surface(maps, source, points, 4)  # noqa: E731
    rules = {"samples": samples, "threshold": 0.1, "consistency": consistency, "longest": 50.0}
    lines = all_lines(xy, responses, CHAIN)
    may_respond = lambda source, points: read(source, points) > -0.1  # noqa: E731  # more than those that do
    fast, slow = (score_lines(lines, xy, CHAIN, read, may_respond=given, **rules) for given in (may_respond, None))
    for one, other in zip(fast, slow, strict=True):
        np.testing.assert_array_equal(one, other)


def test_lines_are_scored_independently_of_each_other(monkeypatch):
    random = np.random.default_rng(0)
    xy = random.uniform(0, 60, (3, 9, 2)).astype(np.float32)
    maps = random.uniform(-0.3, 0.6, (2, 15, 15)).astype(np.float32)
    read = lambda source, points: read_surface(maps, source, points, 4)  # noqa: E731
    may_respond = lambda source, points: read(source, points) > 0.1  # noqa: E731
    lines = all_lines(xy, np.ones((3, 9)), CHAIN)
    assert len(lines.limb) == 162
    expected = score_lines(lines, xy, CHAIN, read, may_respond=may_respond, **RULES)
    assert 10 < len(expected.limb) < 152
    monkeypatch.setattr("gog_pose.assembly.lines._CHUNK", 7)
    for one, other in zip(score_lines(lines, xy, CHAIN, read, may_respond=may_respond, **RULES), expected, strict=True):
        np.testing.assert_array_equal(one, other)


def lines_of(*rows):
    """Make candidates from (limb, start, end, strength)."""
    limb, start, end = (np.array([row[place] for row in rows], dtype=np.intp) for place in range(3))
    strength = np.array([row[3] for row in rows], dtype=float)
    return Lines(limb, start, end, strength, np.full(len(rows), 10.0))


def test_the_best_limbs_of_a_type_share_no_peak():
    xy = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    responses = np.array([[0.2, 1.0], [0.5, 0.5], [0.5, 0.5]])
    # The first limb is the strongest; with the responses of its ends the second is better: 0.75 to 0.575.
    lines = lines_of((0, 0, 0, 0.8), (0, 1, 0, 0.75), (0, 0, 1, 0.3), (1, 0, 0, 0.1))
    chosen = choose_one_to_one(lines, xy, responses, CHAIN)
    assert list(zip(chosen.limb.tolist(), chosen.start.tolist(), chosen.end.tolist(), strict=True)) == [
        (0, 1, 0),
        (0, 0, 1),
        (1, 0, 0),
    ]
    assert len(choose_one_to_one(lines_of(), xy, responses, CHAIN).limb) == 0


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 50]))
def test_the_chosen_limbs_are_those_of_a_loop_with_ties_by_position(seed, levels):
    random = np.random.default_rng(seed)
    places = random.permutation(64)[:24].reshape(3, 8)
    xy = np.stack([places % 8, places // 8], axis=2).astype(np.float32)  # no two peaks in one place
    responses = random.integers(1, levels, (3, 8)) / levels
    limb, start, end = np.nonzero(random.random((2, 8, 8)) < 0.7)
    strength = random.integers(1, levels, len(limb)) / levels
    lines = Lines(limb, start, end, strength, np.ones(len(limb))).chosen(random.permutation(len(limb)))

    def key(row):
        first, second = (kind for kind in CHAIN[lines.limb[row]])
        one, other = lines.start[row], lines.end[row]
        value = 0.5 * lines.strength[row] + 0.25 * responses[first, one] + 0.25 * responses[second, other]
        (x0, y0), (x1, y1) = xy[first, one], xy[second, other]
        return lines.limb[row], -np.float32(value), y0, y1, x0, x1

    taken, expected = set(), []
    for row in sorted(range(len(limb)), key=key):
        ends = {(lines.limb[row], "start", lines.start[row]), (lines.limb[row], "end", lines.end[row])}
        if not ends & taken:
            taken |= ends
            expected.append(row)
    chosen = choose_one_to_one(lines, xy, responses, CHAIN)
    for one, other in zip(chosen, lines.chosen(np.array(expected, dtype=int)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_scores_of_the_papers_grouping():
    responses = np.array([[0.5, 1.0], [0.25, 0.5], [1.0, 1.0]])
    limbs = as_limbs(lines_of((0, 1, 0, 0.8), (1, 1, 0, 0.5)), responses, CHAIN)
    assert limbs.starts.tolist() == [[0, 1], [1, 1]]
    assert limbs.ends.tolist() == [[1, 0], [2, 0]]
    np.testing.assert_allclose(limbs.scores, [1.0 * 0.25 * 0.8, 0.5 * 1.0 * 0.5])
