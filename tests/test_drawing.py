"""Drawing: pixels change where people are and nowhere else; people, left and right can be told apart.

Maps are drawn where they stand: a response on its cell, an offset from its cell to where it leads.
"""

import itertools

import numpy as np
import pytest

from gog_pose.drawing import (
    contact_sheet,
    draw_ground_truth,
    draw_heatmaps,
    draw_offsets,
    draw_poses,
    drawn_limbs,
    fit,
    keypoint_colours,
    person_colour,
)
from gog_pose.encoding import PoseEncoder
from gog_pose.records import Poses
from gog_pose.skeleton import Skeleton, load_skeleton

STICK = Skeleton("stick", ("left", "right", "top"), ((0, 2), (1, 2)), ((0, 1),), (0.1, 0.1, 0.1))
GREY = np.full((80, 100, 3), 128, np.uint8)


def one_person(*keypoints):
    return Poses(np.array([keypoints], np.float32), np.ones(1, np.float32))


def changed(image, other):
    return (image != other).any(axis=2)


def test_image_itself_stays_untouched():
    image = GREY.copy()
    drawn = draw_poses(image, one_person((20, 60, 1), (80, 60, 1), (50, 10, 1)), STICK)
    np.testing.assert_array_equal(image, GREY)
    assert drawn.shape == image.shape
    assert drawn.dtype == np.uint8


def test_nobody_leaves_the_picture_as_it_is():
    nobody = Poses(np.zeros((0, 3, 3), np.float32), np.zeros(0, np.float32))
    np.testing.assert_array_equal(draw_poses(GREY, nobody, STICK), GREY)
    np.testing.assert_array_equal(draw_poses(GREY, one_person((0, 0, 0), (0, 0, 0), (0, 0, 0)), STICK), GREY)


def test_dot_is_centred_on_its_keypoint():
    drawn = changed(draw_poses(GREY, one_person((41, 33, 1), (0, 0, 0), (0, 0, 0)), STICK), GREY)
    rows, columns = np.nonzero(drawn)
    assert (columns.min() + columns.max()) / 2 == 41
    assert (rows.min() + rows.max()) / 2 == 33


def test_missing_keypoints_get_no_limbs():
    drawn = changed(draw_poses(GREY, one_person((20, 60, 1), (0, 0, 0), (50, 10, 1)), STICK), GREY)
    assert drawn[35, 35]  # half way along the only limb
    assert not drawn[35, 65]  # half way along the limb without an end
    assert not drawn[:5, :5].any()  # where missing keypoints have their coordinates


def test_min_response_hides_weak_keypoints():
    poses = one_person((20, 60, 0.2), (80, 60, 0.9), (50, 10, 0.9))
    drawn = changed(draw_poses(GREY, poses, STICK, min_response=0.5), GREY)
    assert drawn[60, 80]
    assert not drawn[60, 20]


def test_keypoints_far_outside_are_harmless():
    draw_poses(GREY, one_person((-1e5, 60, 1), (np.nan, 60, 1), (50, 1e5, 1)), STICK)


def test_left_is_brighter_than_right():
    drawn = draw_poses(GREY, one_person((20, 60, 1), (80, 60, 1), (50, 10, 1)), STICK)
    assert drawn[60, 20].tolist() == list(person_colour(0))
    assert drawn[60, 80].sum() < 0.7 * drawn[60, 20].sum()


def test_best_person_lies_on_top():
    keypoints = np.array([[[50, 40, 1]] + [[0, 0, 0]] * 2] * 2, np.float32)
    drawn = draw_poses(GREY, Poses(keypoints, np.array([0.9, 0.1], np.float32)), STICK)
    assert drawn[40, 50].tolist() == list(person_colour(0))


def test_colours_of_the_first_ten_people_differ():
    colours = [np.array(person_colour(index)) for index in range(10)]
    assert min(np.abs(a - b).sum() for a, b in itertools.combinations(colours, 2)) > 60


def test_ground_truth_shows_occluded_but_not_unlabelled_keypoints():
    keypoints = np.array([[[20, 60, 1], [80, 60, 0], [50, 10, 2]]], np.float32)
    drawn = changed(draw_ground_truth(GREY, keypoints, STICK), GREY)
    assert drawn[60, 20]
    assert not drawn[60, 80]


@pytest.mark.parametrize("name", ["coco_31", "coco_39", "coco_44"])
def test_dense_skeletons_are_drawn_like_the_papers(name):
    expected = {frozenset(limb) for limb in load_skeleton("coco_19").limbs}
    assert {frozenset(limb) for limb in drawn_limbs(load_skeleton(name))} == expected


def test_sparse_and_unknown_skeletons_are_drawn_whole():
    assert drawn_limbs(STICK) == STICK.limbs
    assert drawn_limbs(load_skeleton("coco_16")) == load_skeleton("coco_16").limbs


def test_contact_sheet_holds_every_image_once():
    images = [np.full((30 + 10 * i, 60, 3), 50 + 20 * i, np.uint8) for i in range(5)]
    sheet = contact_sheet(images, columns=3, cell_hw=(40, 60))
    assert sheet.shape == (2 * 44 + 4, 3 * 64 + 4, 3)
    assert {50, 70, 90, 110, 130} <= set(sheet[..., 0].ravel().tolist())
    assert contact_sheet(images[:1], columns=3, cell_hw=(40, 60)).shape == (48, 68, 3)
    with pytest.raises(ValueError, match="needs images"):
        contact_sheet([], columns=3, cell_hw=(40, 60))


@pytest.mark.parametrize("hw", [(10, 1000), (1000, 10), (20, 20), (300, 400)])
def test_fit_keeps_the_shape_inside_the_cell(hw):
    height, width = fit(np.zeros((*hw, 3), np.uint8), (60, 80)).shape[:2]
    assert height <= 60
    assert width <= 80
    assert height == 60 or width == 80


def test_inferred_keypoints_are_not_drawn():
    found = one_person((20, 60, 1), (0, 0, 0), (50, 10, 1))
    guessed = Poses(
        one_person((20, 60, 1), (80, 60, 1), (50, 10, 1)).keypoints, found.scores, np.array([[0, 1, 0]], bool)
    )
    np.testing.assert_array_equal(draw_poses(GREY, guessed, STICK), draw_poses(GREY, found, STICK))


def test_captions_cover_a_corner_of_their_own_image():
    images = [np.full((60, 90, 3), level, np.uint8) for level in (100, 200)]
    plain = contact_sheet(images, 2, (60, 90))
    captioned = contact_sheet(images, 2, (60, 90), ("a", "b"))
    rows, columns = np.nonzero(changed(plain, captioned))
    assert rows.min() == 4
    assert rows.max() < 4 + 20
    assert set(columns) <= {*range(4, 4 + 25), *range(98, 98 + 25)}
    assert captioned[4:24, 4:29].max() > 220  # the letter on its dark ground
    assert (images[0] == 100).all()


@pytest.mark.parametrize("name", ["coco_19", "coco_44"])
def test_keypoint_colours_tell_types_apart_and_left_from_right(name):
    skeleton = load_skeleton(name)
    colours = keypoint_colours(skeleton)
    assert len(set(colours)) == skeleton.num_keypoints
    for left, right in skeleton.flip_pairs:
        assert colours[left][0] > colours[left][2]  # more red than blue
        assert colours[right][2] > colours[right][0]


STRIDE = 4
DARK = round(0.4 * 128)  # GREY below maps


def test_a_response_colours_its_own_cell():
    heatmaps = np.zeros((3, 20, 25), np.float32)
    heatmaps[1, 6, 10] = 1  # stands at px (41.5, 25.5)
    drawn = draw_heatmaps(GREY, heatmaps, STICK)
    touched = changed(drawn, np.full_like(GREY, DARK))
    rows, columns = np.nonzero(touched)
    assert (columns.min() + columns.max()) / 2 == 41.5
    assert (rows.min() + rows.max()) / 2 == 25.5
    heatmaps[1, 5:8, 9:12] = 1
    assert draw_heatmaps(GREY, heatmaps, STICK)[25, 41].tolist() == list(keypoint_colours(STICK)[1])


def test_the_strongest_type_gives_the_colour_and_its_response_the_strength():
    heatmaps = np.stack([np.full((20, 25), response, np.float32) for response in (-0.5, 0.25, 1.5)])
    assert (draw_heatmaps(GREY, heatmaps, STICK) == keypoint_colours(STICK)[2]).all()
    heatmaps[2] = 0
    expected = 0.75 * DARK + 0.25 * np.array(keypoint_colours(STICK)[1])
    assert np.abs(draw_heatmaps(GREY, heatmaps, STICK) - expected).max() <= 1
    assert (draw_heatmaps(GREY, np.minimum(heatmaps, 0), STICK) == DARK).all()


def test_ignored_regions_are_bright():
    mask = np.ones((20, 25), np.float32)
    mask[:, :5] = 0
    drawn = draw_heatmaps(GREY, np.zeros((3, 20, 25), np.float32), STICK, mask)
    assert np.abs(drawn[:, :20].astype(int) - 128).max() <= 2
    assert (drawn[:, 20:] == DARK).all()


PERSON = np.array([[[22, 62, 2], [0, 0, 0], [61, 21, 2]]], np.float32)  # left and top; the right is not labelled


def white(drawn):
    return (drawn > 200).all(axis=2)


def test_true_offsets_lead_to_the_keypoints_and_leave_no_error():
    offsets = PoseEncoder(STICK, stride=STRIDE)(PERSON, np.array([50]), GREY.shape[:2]).offsets.numpy()
    drawn = draw_offsets(GREY, offsets, PERSON, STICK, STRIDE)
    assert drawn[21, 61].tolist() == list(keypoint_colours(STICK)[2])  # of the keypoint that the limb leads to
    red, green, _ = drawn[41:43, 41:43].reshape(4, 3).max(axis=0)  # half way
    assert green > red
    assert green > 2 * DARK
    assert not white(drawn).any()
    assert (GREY == 128).all()


def test_wrong_offsets_are_drawn_as_they_are_with_their_error():
    offsets = np.zeros((4, 20, 25), np.float32)
    offsets[0:2, 15, 5] = 60, 0  # at the cell of the left keypoint, px (21.5, 61.5)
    drawn = draw_offsets(GREY, offsets, PERSON, STICK, STRIDE)
    colour = keypoint_colours(STICK)[2]
    assert np.abs(drawn[61:63, 81:83] - np.array(colour)).max() < 60
    assert white(drawn)[35:48, 68:76].any()  # from there to the true keypoint
    assert not white(drawn)[:, :58].any()


@pytest.mark.parametrize("value", [np.nan, np.inf, -1e30])
def test_offsets_of_a_diverged_network_are_harmless(value):
    draw_offsets(GREY, np.full((4, 20, 25), value, np.float32), PERSON, STICK, STRIDE)


def test_nobody_has_no_offsets():
    nobody = np.zeros((0, 3, 3), np.float32)
    assert (draw_offsets(GREY, np.ones((4, 20, 25), np.float32), nobody, STICK, STRIDE) == DARK).all()
