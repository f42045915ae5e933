"""Agreement of limbs: triangles by hand, and their effect on grouping."""

import numpy as np
import pytest

from gog_pose.assembly.agreement import add_agreement
from gog_pose.assembly.greedy import group_limbs
from gog_pose.assembly.limbs import Limbs

TRIANGLE = [(0, 1), (1, 2), (0, 2)]


def limbs_of(*rows):
    """Make candidates from ((type, rank), (type, rank), score)."""
    starts, ends = (np.array([row[i] for row in rows], dtype=np.intp).reshape(-1, 2) for i in (0, 1))
    return Limbs(starts, ends, np.array([row[2] for row in rows], dtype=np.float64), np.zeros(len(rows)))


def test_the_gain_is_the_weaker_of_the_two_other_limbs():
    candidates = limbs_of(((0, 0), (1, 0), 0.9), ((1, 0), (2, 0), 0.5), ((0, 0), (2, 0), 0.8))
    np.testing.assert_allclose(add_agreement(candidates, TRIANGLE, (3, 1), 0.5).scores, [1.15, 0.9, 1.05])


def test_of_several_third_keypoints_of_a_type_the_best_counts():
    worse = ((1, 0), (2, 0), 0.5), ((0, 0), (2, 0), 0.8)
    better = ((1, 0), (2, 1), 0.7), ((0, 0), (2, 1), 0.6)
    candidates = limbs_of(((0, 0), (1, 0), 0.9), *worse, *better)
    assert add_agreement(candidates, TRIANGLE, (3, 2), 1.0).scores[0] == pytest.approx(0.9 + 0.6)


@pytest.mark.parametrize("limbs", [[(0, 1), (1, 2)], []])
def test_without_triangles_nothing_changes(limbs):
    candidates = limbs_of(((0, 0), (1, 0), 0.9), ((1, 0), (2, 0), 0.5))
    np.testing.assert_array_equal(add_agreement(candidates, limbs, (3, 1), 0.5).scores, candidates.scores)
    assert len(add_agreement(limbs_of(), TRIANGLE, (3, 1), 0.5).scores) == 0


def test_the_rest_of_the_skeleton_tells_two_starts_of_one_end_apart():
    # Both peaks of type 0 lead to the same peak of type 1, the wrong one even a little better.
    candidates = limbs_of(((0, 0), (1, 0), 0.98), ((0, 1), (1, 0), 0.97), ((0, 1), (2, 0), 0.9), ((1, 0), (2, 0), 0.9))
    xy = np.array([[[0, 0], [2, 0]], [[50, 0], [0, 0]], [[20, 30], [0, 0]]], np.float32)
    responses = np.array([[1, 1], [1, 0], [1, 0]], np.float32)
    alone = group_limbs(xy, responses, candidates)
    assert [0, 0, -1] in alone.tolist()
    together = group_limbs(xy, responses, add_agreement(candidates, TRIANGLE, (3, 2), 0.5))
    assert sorted(together.tolist()) == [[0, -1, -1], [1, 0, 0]]
