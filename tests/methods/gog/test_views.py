"""Pictures of the paper's maps: offsets are drawn from their cell to their end."""

import numpy as np
import pytest
import torch
from canvases import DARK, GREY, STICK

from gog_pose.drawing.colors import keypoint_colors
from gog_pose.encoding import PoseEncoder
from gog_pose.maps.records import as_batch
from gog_pose.methods.gog.records import PoseMaps
from gog_pose.methods.gog.views import VIEWS

STRIDE = 4
PERSON = np.array([[[22, 62, 2], [0, 0, 0], [61, 21, 2]]], np.float32)  # left and top; the right is not labelled
TARGETS = as_batch(PoseEncoder(STICK, stride=STRIDE)(PERSON, np.array([50]), GREY.shape[:2]))


def maps_of(offsets):
    return PoseMaps(torch.zeros(1, 3, 20, 25), torch.as_tensor(offsets)[None])


def offsets_drawn(maps, people=PERSON):
    return VIEWS["offsets"].predicted(GREY, maps, people, STICK, STRIDE)


def white(drawn):
    return (drawn > 200).all(axis=2)


def test_true_offsets_lead_to_the_keypoints_and_leave_no_error():
    drawn = offsets_drawn(TARGETS.as_maps())
    assert drawn[21, 61].tolist() == list(keypoint_colors(STICK)[2])  # of the keypoint that the limb leads to
    red, green, _ = drawn[41:43, 41:43].reshape(4, 3).max(axis=0)  # half way
    assert green > red
    assert green > 2 * DARK
    assert not white(drawn).any()
    assert (GREY == 128).all()


def test_wrong_offsets_are_drawn_as_they_are_with_their_error():
    offsets = np.zeros((4, 20, 25), np.float32)
    offsets[0:2, 15, 5] = 60, 0  # at the cell of the left keypoint, px (21.5, 61.5)
    drawn = offsets_drawn(maps_of(offsets))
    color = keypoint_colors(STICK)[2]
    assert np.abs(drawn[61:63, 81:83] - np.array(color)).max() < 60
    assert white(drawn)[35:48, 68:76].any()  # from there to the true keypoint
    assert not white(drawn)[:, :58].any()


@pytest.mark.parametrize("value", [np.nan, np.inf, -1e30])
def test_offsets_of_a_diverged_network_are_harmless(value):
    offsets_drawn(maps_of(np.full((4, 20, 25), value, np.float32)))


def test_nobody_has_no_offsets():
    nobody = np.zeros((0, 3, 3), np.float32)
    assert (offsets_drawn(maps_of(np.ones((4, 20, 25), np.float32)), nobody) == DARK).all()


def test_heatmaps_have_the_color_of_their_type():
    drawn = VIEWS["heatmaps"].predicted(GREY, TARGETS.as_maps(), PERSON, STICK, STRIDE)
    for kind in (0, 2):
        x, y = PERSON[0, kind, :2].astype(int)
        assert np.abs(drawn[y, x] - np.array(keypoint_colors(STICK)[kind])).max() < 40


def test_taught_targets_are_drawn_and_counted():
    drawn, caption = VIEWS["offsets"].taught(GREY, TARGETS, PERSON, STICK, STRIDE)
    assert caption == "limbs 1 of 2"
    assert np.abs(drawn[21, 61] - np.array(keypoint_colors(STICK)[2])).max() < 90  # where the fan closes
    assert VIEWS["heatmaps"].taught(GREY, TARGETS, PERSON, STICK, STRIDE)[1] == "keypoints 2"
