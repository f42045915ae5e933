"""Colors tell people, keypoint types and sides apart."""

import itertools

import numpy as np
import pytest

from gog_pose.drawing.colors import keypoint_colors, person_color
from gog_pose.skeleton import load_skeleton


def test_colors_of_the_first_ten_people_differ():
    colors = [np.array(person_color(index)) for index in range(10)]
    assert min(np.abs(a - b).sum() for a, b in itertools.combinations(colors, 2)) > 60


@pytest.mark.parametrize("name", ["coco_19", "coco_44"])
def test_keypoint_colors_tell_types_apart_and_left_from_right(name):
    skeleton = load_skeleton(name)
    colors = keypoint_colors(skeleton)
    assert len(set(colors)) == skeleton.num_keypoints
    for left, right in skeleton.flip_pairs:
        assert colors[left][0] > colors[left][2]  # more red than blue
        assert colors[right][2] > colors[right][0]
