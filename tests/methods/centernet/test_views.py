"""Pictures of CenterNet's maps: centers, and offsets from centers to keypoints."""

import numpy as np
import pytest
import torch
from canvases import DARK, GREY, STICK

from gog_pose.drawing.colors import keypoint_colors
from gog_pose.methods.centernet.encoder import CenterEncoder
from gog_pose.methods.centernet.records import CenterMaps
from gog_pose.methods.centernet.views import VIEWS
from gog_pose.methods.people import People

STRIDE = 4
PERSON = np.array([[[22, 62, 2], [0, 0, 0], [61, 21, 2]]], np.float32)  # left and top; the right is not labelled
ENCODER = CenterEncoder(STICK, stride=STRIDE)
PEOPLE = People(PERSON, np.array([50.0]), np.array([[18, 14, 50, 56]], np.float32))  # the center at px (43, 42)
TARGETS = ENCODER.render(ENCODER.marks(PEOPLE, GREY.shape[:2]))


def test_offsets_lead_from_the_center_to_the_labelled_keypoints():
    taught, caption = VIEWS["offsets"].taught(GREY, TARGETS, PERSON, STICK, STRIDE)
    drawn = VIEWS["offsets"].predicted(GREY, TARGETS.as_maps(), PERSON, STICK, STRIDE)
    assert caption == "offsets 2"
    for picture in (taught, drawn):
        assert picture[62, 22].tolist() == list(keypoint_colors(STICK)[0])
        assert picture[21, 61].tolist() == list(keypoint_colors(STICK)[2])


def test_centers_are_white_where_they_are():
    taught, caption = VIEWS["centers"].taught(GREY, TARGETS, PERSON, STICK, STRIDE)
    assert caption == "centers 1"
    np.testing.assert_array_equal(taught, VIEWS["centers"].predicted(GREY, TARGETS.as_maps(), PERSON, STICK, STRIDE))
    rows, columns = np.nonzero((taught > 200).all(axis=2))
    assert abs(columns.mean() - 43) < STRIDE
    assert abs(rows.mean() - 42) < STRIDE


def test_heatmaps_have_the_color_of_their_type():
    taught, caption = VIEWS["heatmaps"].taught(GREY, TARGETS, PERSON, STICK, STRIDE)
    assert caption == "keypoints 2"
    np.testing.assert_array_equal(taught, VIEWS["heatmaps"].predicted(GREY, TARGETS.as_maps(), PERSON, STICK, STRIDE))
    for kind in (0, 2):
        x, y = PERSON[0, kind, :2].astype(int)
        assert np.abs(taught[y, x] - np.array(keypoint_colors(STICK)[kind])).max() < 40


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf, -1e30])
def test_maps_of_a_diverged_network_are_harmless(value):
    broken = CenterMaps._make(torch.full_like(field, value) for field in TARGETS.as_maps())
    drawn = VIEWS["offsets"].predicted(GREY, broken, PERSON, STICK, STRIDE)
    if value == 0:
        assert (drawn == DARK).all()  # no center, no offset
