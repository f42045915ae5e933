"""Grouping: hand-made candidates, and invariance to their order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gog_pose.assembly.greedy import assemble_poses, group_limbs
from gog_pose.assembly.limbs import Limbs

OPTIONS = {"min_keypoints": 1, "score": "sum", "score_threshold": 0.0}


def group(xy, responses, limbs, **options):
    return assemble_poses(group_limbs(xy, responses, limbs), xy, responses, **{**OPTIONS, **options})


def limbs_of(*rows):
    """Make candidates from ((type, rank), (type, rank), score)."""
    starts, ends, scores = ([row[i] for row in rows] for i in range(3))
    return Limbs(
        np.array(starts, dtype=np.intp).reshape(-1, 2),
        np.array(ends, dtype=np.intp).reshape(-1, 2),
        np.array(scores, dtype=np.float64),
        np.zeros(len(scores)),
    )


def peaks_of(counts, response=1.0):
    """Make peaks whose position names them: x = type, y = 10 + rank."""
    xy, responses = (
        np.zeros((len(counts), max(counts), 2), np.float32),
        np.zeros((len(counts), max(counts)), np.float32),
    )
    for kind, count in enumerate(counts):
        xy[kind, :count] = np.array([(kind, 10 + rank) for rank in range(count)]).reshape(-1, 2)
        responses[kind, :count] = response
    return xy, responses


def people(poses):
    """Return the people as sets of (type, rank)."""
    return {
        frozenset((kind, int(y) - 10) for kind, (_, y, r) in enumerate(keypoints) if r > 0)
        for keypoints in poses.keypoints
    }


def test_the_better_limb_wins_a_keypoint():
    rows = ((0, 0), (1, 0), 0.5), ((0, 1), (1, 0), 0.9), ((0, 0), (1, 1), 0.4)
    poses = group(*peaks_of([2, 2]), limbs_of(*rows))
    assert people(poses) == {frozenset({(0, 1), (1, 0)}), frozenset({(0, 0), (1, 1)})}


def test_fragments_are_joined_by_a_later_limb():
    rows = ((0, 0), (1, 0), 0.9), ((2, 0), (3, 0), 0.8), ((1, 0), (2, 0), 0.1)
    poses = group(*peaks_of([1, 1, 1, 1]), limbs_of(*rows))
    assert people(poses) == {frozenset({(0, 0), (1, 0), (2, 0), (3, 0)})}


def test_fragments_that_share_a_type_stay_apart():
    rows = ((0, 0), (1, 0), 0.9), ((0, 1), (2, 0), 0.8), ((1, 0), (2, 0), 0.7)
    poses = group(*peaks_of([2, 1, 1]), limbs_of(*rows))
    assert people(poses) == {frozenset({(0, 0), (1, 0)}), frozenset({(0, 1), (2, 0)})}


def test_isolated_keypoints_are_kept_or_dropped():
    candidates = limbs_of(((0, 0), (1, 0), 0.9))
    assert len(group(*peaks_of([2, 1]), candidates)) == 2
    assert people(group(*peaks_of([2, 1]), candidates, min_keypoints=2)) == {frozenset({(0, 0), (1, 0)})}


@pytest.mark.parametrize(("score", "expected"), [("sum", [0.4, 0.2]), ("mean", [0.8, 0.8])])
def test_person_scores(score, expected):
    peaks = peaks_of([2, 1, 0, 0], response=0.8)
    poses = group(*peaks, limbs_of(((0, 0), (1, 0), 0.9)), score=score)
    np.testing.assert_allclose(poses.scores, expected)
    kept = group(*peaks, limbs_of(((0, 0), (1, 0), 0.9)), score=score, score_threshold=0.3)
    assert len(kept) == sum(value >= 0.3 for value in expected)


def test_inferred_keypoints_are_marked_and_do_not_count():
    xy, responses = peaks_of([1, 1, 0])
    people = group_limbs(xy, responses, limbs_of(((0, 0), (1, 0), 0.9)))
    guesses = np.array([[[5, 5, 0.5], [0, 0, 0], [6, 7, 0.9]]], np.float32)  # the first has a peak; a guess never wins
    poses = assemble_poses(people, xy, responses, **OPTIONS, inferred=guesses)
    np.testing.assert_allclose(poses.keypoints, [[[0, 10, 1], [1, 10, 1], [6, 7, 0.9]]])
    assert poses.inferred.tolist() == [[False, False, True]]
    np.testing.assert_allclose(poses.scores, 2 / 3)
    moved = poses.above(0.5).transformed(np.diag([2.0, 2.0, 1.0]))
    assert moved.inferred.tolist() == [[False, False, True]]
    np.testing.assert_allclose(moved.keypoints[0, 2], [12, 14, 0.9])
    assert not len(assemble_poses(people, xy, responses, **{**OPTIONS, "min_keypoints": 3}, inferred=guesses))


def test_nobody():
    poses = group(np.zeros((3, 0, 2), np.float32), np.zeros((3, 0), np.float32), limbs_of())
    assert poses.keypoints.shape == (0, 3, 3)
    assert poses.scores.shape == (0,)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_the_order_of_candidates_changes_nothing(data):
    counts = data.draw(st.lists(st.integers(1, 3), min_size=3, max_size=4))
    kinds = st.permutations(range(len(counts))).map(lambda order: sorted(order[:2]))
    rows = []
    for a, b in data.draw(st.lists(kinds, max_size=15)):
        ranks = data.draw(st.tuples(st.integers(0, counts[a] - 1), st.integers(0, counts[b] - 1)))
        # Few values, so that many scores tie.
        rows.append(((a, ranks[0]), (b, ranks[1]), data.draw(st.sampled_from([0.25, 0.5, 0.75]))))
    shuffled = data.draw(st.permutations(rows))
    one, other = (group(*peaks_of(counts), limbs_of(*order)) for order in (rows, shuffled))
    np.testing.assert_array_equal(one.keypoints, other.keypoints)
    np.testing.assert_array_equal(one.scores, other.scores)
    owners = [keypoint for person in people(one) for keypoint in person]
    assert sorted(owners) == [(kind, rank) for kind, count in enumerate(counts) for rank in range(count)]
