"""OKS of people and expected poses by hand, and the pairs of the best assignment."""

import numpy as np
import pytest

from gog_pose.tracking.matching import assigned, similarity

VARIANCES = np.array([0.01, 0.04, 0.09])


def test_similarity_counts_common_keypoints_by_hand():
    """A pose of size 10 px that knows keypoints 0 and 1, and a person with keypoints 0 and 2."""
    expected = np.array([[[0.0, 0.0], [5.0, 5.0], [np.nan, np.nan]]])
    person = np.array([[[0.0, 2.0, 0.9], [0.0, 0.0, 0.0], [7.0, 7.0, 0.9]]])
    found = similarity(expected, np.array([10.0]), person, VARIANCES)
    np.testing.assert_allclose(found, [[np.exp(-4 / (2 * 100 * 0.01)) / 2]])


def test_similarity_is_0_without_common_keypoints():
    expected = np.full((1, 3, 2), np.nan)
    expected[0, 0] = 0
    people = np.array([[[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [1.0, 1.0, 1.0]], np.zeros((3, 3))])
    assert similarity(expected, np.array([10.0]), people, VARIANCES).tolist() == [[0, 0]]


def test_expected_poses_for_each_person_equal_single_ones():
    rng = np.random.default_rng(0)
    expected, sizes = rng.uniform(0, 9, (2, 4, 3, 2)), rng.uniform(5, 20, 2)
    people = rng.uniform(0, 9, (4, 3, 3))
    found = similarity(expected, sizes, people, VARIANCES)
    for track in range(2):
        for person in range(4):
            single = similarity(
                expected[track : track + 1, person], sizes[track : track + 1], people[[person]], VARIANCES
            )
            assert found[track, person] == pytest.approx(single[0, 0])


def test_pairs_of_weight_0_are_left_out():
    rows, columns = assigned(np.array([[0.5, 0.0, 0.0], [0.6, 0.3, 0.0], [0.0, 0.0, 0.0]]))
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == [(0, 0), (1, 1)]
    assert assigned(np.zeros((0, 3)))[0].size == 0
