"""Pictures of PersonLab's maps: disks and offsets lead to keypoints."""

import numpy as np
import pytest
import torch
from canvases import GREY, STICK, changed

from gog_pose.drawing.colors import keypoint_colors
from gog_pose.methods.people import People
from gog_pose.methods.personlab.encoder import PersonLabEncoder
from gog_pose.methods.personlab.records import PersonLabMaps
from gog_pose.methods.personlab.views import VIEWS

STRIDE = 4
PERSON = np.array([[[22, 62, 2], [0, 0, 0], [61, 21, 2]]], np.float32)  # left and top; the right is not labeled
ENCODER = PersonLabEncoder(STICK, stride=STRIDE, radius=12.0)
PEOPLE = People(PERSON, np.array([50.0]), np.array([[18, 14, 50, 56]], np.float32))
TARGETS = ENCODER.render(ENCODER.marks(PEOPLE, GREY.shape[:2]))


def test_short_offsets_of_a_disk_close_in_its_keypoint():
    taught, caption = VIEWS["short_offsets"].taught(GREY, TARGETS, PERSON, STICK, STRIDE)
    assert caption == "disks of 2 keypoint types"
    plain = VIEWS["short_offsets"].predicted(
        GREY, TARGETS.as_maps()._replace(heatmaps=torch.zeros_like(TARGETS.heatmaps)), PERSON, STICK, STRIDE
    )
    rows, columns = np.nonzero(changed(taught, plain))
    for x, y in PERSON[0, [0, 2], :2]:
        assert np.hypot(columns - x, rows - y).min() < 2
    near = [np.hypot(columns - x, rows - y) for x, y in PERSON[0, [0, 2], :2]]
    assert np.minimum(*near).max() < ENCODER.radius + 2, "px: nothing outside of the disks"


def test_mid_offsets_lead_both_ways_between_labeled_keypoints():
    taught, caption = VIEWS["mid_offsets"].taught(GREY, TARGETS, PERSON, STICK, STRIDE)
    assert caption == "edges 2 of 4"
    drawn = VIEWS["mid_offsets"].predicted(GREY, TARGETS.as_maps(), PERSON, STICK, STRIDE)
    colors = keypoint_colors(STICK)
    for picture in (taught, drawn):
        assert np.abs(picture[62, 22] - np.array(colors[0])).max() < 40, (
            "the dot of one is drawn on the line of the other"
        )
        assert np.abs(picture[21, 61] - np.array(colors[2])).max() < 40


@pytest.mark.parametrize("name", ["short_offsets", "mid_offsets"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -1e30])
def test_maps_of_a_diverged_network_are_harmless(name, value):
    broken = PersonLabMaps(*(torch.full_like(field, value) for field in TARGETS.as_maps()))
    VIEWS[name].predicted(GREY, broken._replace(heatmaps=torch.ones_like(broken.heatmaps)), PERSON, STICK, STRIDE)
