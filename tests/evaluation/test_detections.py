"""Files of detections: the fields that COCO requires, of the annotated people's categories."""

import json

import pytest

from gog_pose.errors import InputError
from gog_pose.evaluation.detections import read_detections


def entry(image_id=1, category_id=1, **fields):
    return {"image_id": image_id, "category_id": category_id, "keypoints": [1, 2, 1] * 2, "score": 0.5, **fields}


@pytest.fixture
def read(tmp_path):
    def read(*entries):
        path = tmp_path / "detections.json"
        path.write_text(json.dumps(entries))
        return read_detections(path, 2, {1, 3})

    return read


def test_only_what_coco_requires_is_kept_by_image(read):
    found = read(entry(bbox=[1, 2, 3, 4]), entry(2), entry(category_id=3, score=1))
    assert found.of_images == {1: [entry(), entry(category_id=3, score=1)], 2: [entry(2)]}
    assert found.left_out == 0
    assert read().of_images == {}


def test_detections_of_other_categories_are_left_out_and_counted(read):
    found = read(entry(), entry(category_id=2, keypoints=[]), {"category_id": 18})
    assert found.of_images == {1: [entry()]}
    assert found.left_out == 2
    with pytest.raises(InputError, match=r"detections.json: category_id: is 0, but the annotated people have 1"):
        read(entry(category_id=0))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"image_id": True}, "image_id"),
        ({"image_id": "1"}, "image_id"),
        ({"category_id": None}, "category_id"),
        ({"category_id": 1.0}, "category_id"),
        ({"keypoints": [1, 2, 1]}, "keypoints: 3 numbers, but the skeleton has 2 keypoints"),
        ({"keypoints": "111111"}, "keypoints"),
        ({"keypoints": [1, 2, 1, 1, 2, float("nan")]}, "finite"),
        ({"keypoints": [1, 2, 1, 1, 10**400, 1]}, "finite"),
        ({"keypoints": [1, 2, 1, 1, None, 1]}, "finite"),
        ({"score": float("inf")}, "finite"),
        ({"score": True}, "finite"),
        ({"score": "0.5"}, "finite"),
    ],
)
def test_malformed_entries_are_refused_by_place_and_field(read, changed, words):
    with pytest.raises(InputError, match=rf"detections.json: \[1\].*{words}") as error:
        read(entry(), entry(**changed))
    assert "\n" not in str(error.value)
