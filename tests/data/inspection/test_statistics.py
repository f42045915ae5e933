"""Statistics of a split, counted by hand."""

import pytest
from inspected import SKELETON, annotations, person, write

from gog_pose.data.annotations import CocoKeypoints
from gog_pose.data.inspection.statistics import QUANTILES, summarize_split


def test_statistics(tmp_path):
    people = [
        person(1, xy=(30, 50), size=40),
        person(1, xy=(50, 50), size=40, keypoints=[0, 0, 0] * 14 + [50, 50, 1] * 3, num_keypoints=3),
        person(2, size=20),
        person(2, size=60, iscrowd=1),
        person(2, keypoints=[0] * 51, num_keypoints=0),
    ]
    write(tmp_path, people=people)
    statistics = summarize_split(CocoKeypoints(annotations(tmp_path), None, 17), SKELETON, long_side=240)
    counts = {name: value for name, value in statistics.items() if isinstance(value, int)}
    assert counts == {
        "images": 3, "images_with_labelled_people": 2, "images_without_people": 1, "people": 4, "labelled_people": 3,
        "crowds": 1,
    }  # fmt: skip
    assert statistics["keypoints"]["nose"] == {"labelled": 2, "visible": 2}
    assert statistics["keypoints"]["left_ankle"] == {"labelled": 3, "visible": 2}
    median = QUANTILES.index(0.5)
    assert statistics["scale"][0] == pytest.approx(20)
    assert statistics["scale"][median] == pytest.approx(40)
    assert statistics["scale_at_evaluation"][median] == pytest.approx(80)
    assert statistics["labelled_people_of_an_image"] == pytest.approx([1, 1.05, 1.25, 1.5, 1.75, 1.95, 2])
    assert statistics["labelled_keypoints_of_a_person"][0] == 3
    assert statistics["overlap"][median] == pytest.approx(20 / 60)  # half of each of two boxes
    assert statistics["share_of_people_overlapping"] == {
        "0.1": pytest.approx(2 / 3), "0.3": pytest.approx(2 / 3), "0.5": 0,
    }  # fmt: skip
