"""People: pixels change where people are and nowhere else; people, left and right can be told apart."""

import numpy as np
import pytest
from canvases import GREY, STICK, changed

from gog_pose.drawing.colors import person_color
from gog_pose.drawing.people import draw_people, drawn_limbs
from gog_pose.skeleton import load_skeleton


def one_person(*keypoints):
    return np.array([keypoints], np.float32)


def test_image_itself_stays_untouched():
    image = GREY.copy()
    drawn = draw_people(image, one_person((20, 60, 1), (80, 60, 1), (50, 10, 1)), STICK)
    np.testing.assert_array_equal(image, GREY)
    assert drawn.shape == image.shape
    assert drawn.dtype == np.uint8


def test_nobody_leaves_the_picture_as_it_is():
    np.testing.assert_array_equal(draw_people(GREY, np.zeros((0, 3, 3), np.float32), STICK), GREY)
    np.testing.assert_array_equal(draw_people(GREY, one_person((0, 0, 0), (0, 0, 0), (0, 0, 0)), STICK), GREY)


def test_dot_is_centered_on_its_keypoint():
    drawn = changed(draw_people(GREY, one_person((41, 33, 1), (0, 0, 0), (0, 0, 0)), STICK), GREY)
    rows, columns = np.nonzero(drawn)
    assert (columns.min() + columns.max()) / 2 == 41
    assert (rows.min() + rows.max()) / 2 == 33


def test_missing_keypoints_get_no_limbs():
    drawn = changed(draw_people(GREY, one_person((20, 60, 1), (0, 0, 0), (50, 10, 1)), STICK), GREY)
    assert drawn[35, 35]  # half way along the only limb
    assert not drawn[35, 65]  # half way along the limb without an end
    assert not drawn[:5, :5].any()  # where missing keypoints have their coordinates


def test_min_response_hides_weak_keypoints():
    person = one_person((20, 60, 0.2), (80, 60, 0.9), (50, 10, 0.9))
    drawn = changed(draw_people(GREY, person, STICK, min_response=0.5), GREY)
    assert drawn[60, 80]
    assert not drawn[60, 20]


def test_keypoints_far_outside_are_harmless():
    draw_people(GREY, one_person((-1e5, 60, 1), (np.nan, 60, 1), (50, 1e5, 1)), STICK)


def test_left_is_brighter_than_right():
    drawn = draw_people(GREY, one_person((20, 60, 1), (80, 60, 1), (50, 10, 1)), STICK)
    assert drawn[60, 20].tolist() == list(person_color(0))
    assert drawn[60, 80].sum() < 0.7 * drawn[60, 20].sum()


def test_best_person_lies_on_top():
    keypoints = np.array([[[50, 40, 1]] + [[0, 0, 0]] * 2] * 2, np.float32)
    drawn = draw_people(GREY, keypoints, STICK)
    assert drawn[40, 50].tolist() == list(person_color(0))


def test_ground_truth_shows_occluded_but_not_unlabelled_keypoints():
    keypoints = np.array([[[20, 60, 1], [80, 60, 0], [50, 10, 2]]], np.float32)
    drawn = changed(draw_people(GREY, keypoints, STICK), GREY)
    assert drawn[60, 20]
    assert not drawn[60, 80]


def test_inferred_keypoints_are_not_drawn():
    found = one_person((20, 60, 1), (0, 0, 0), (50, 10, 1))
    guessed = one_person((20, 60, 1), (80, 60, 1), (50, 10, 1))
    drawn = draw_people(GREY, guessed, STICK, np.array([[False, True, False]]))
    np.testing.assert_array_equal(drawn, draw_people(GREY, found, STICK))


@pytest.mark.parametrize("name", ["coco_31", "coco_39", "coco_44"])
def test_dense_skeletons_are_drawn_like_the_papers(name):
    expected = {frozenset(limb) for limb in load_skeleton("coco_19").limbs}
    assert {frozenset(limb) for limb in drawn_limbs(load_skeleton(name))} == expected


def test_sparse_and_unknown_skeletons_are_drawn_whole():
    assert drawn_limbs(STICK) == STICK.limbs
    assert drawn_limbs(load_skeleton("coco_16")) == load_skeleton("coco_16").limbs
