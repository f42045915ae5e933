"""Completion: missing keypoints at the ends of offsets from detected keypoints."""

import math

import numpy as np

from gog_pose.assembly.completion import infer_missing

LIMBS = [(0, 2), (1, 2), (2, 0)]


def infer(people, guides, responses=((0.5, 0.9), (0.8, 0.7), (0.6, 0.0))):
    xy = np.array([[[10, 10], [50, 50]], [[20, 10], [60, 50]], [[30, 30], [0, 0]]], np.float32)
    table = np.full((3, 2, 2), math.nan, np.float32)
    for (limb, rank), guide in guides.items():
        table[limb, rank] = guide
    return infer_missing(np.array(people), xy, np.array(responses, np.float32), table, LIMBS, 0.5)


def test_the_offset_of_the_highest_response_leads():
    inferred = infer([[0, 0, -1], [1, 1, -1]], {(0, 0): (31, 31), (1, 0): (33, 33), (0, 1): (71, 71), (1, 1): (73, 73)})
    np.testing.assert_allclose(inferred[:, 2], [[33, 33, 0.8], [71, 71, 0.9]])
    assert not inferred[:, :2].any()


def test_what_a_person_has_is_not_inferred():
    assert not infer([[0, 0, 0]], {(0, 0): (31, 31), (1, 0): (33, 33), (2, 0): (10, 10)}).any()


def test_offsets_that_lead_nowhere_are_not_followed():
    for guide in ((10, 10), (10.2, 10), (math.nan, 3), (math.inf, 3), (1e38, -math.inf)):
        assert not infer([[0, -1, -1]], {(0, 0): guide}).any()


def test_nobody():
    assert infer(np.zeros((0, 3), dtype=np.intp), {}).shape == (0, 3, 3)
