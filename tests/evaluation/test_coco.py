"""The AP equals that of pycocotools, on exactly the given images."""

import json
import math

import numpy as np
import pytest

from gog_pose.evaluation import CocoKeypointEvaluator
from gog_pose.poses import Poses
from gog_pose.skeleton import load_skeleton

SKELETON = load_skeleton("coco_19")


@pytest.fixture
def truth(tmp_path):
    random = np.random.default_rng(0)
    keypoints = {image_id: random.uniform(0, 200, (2, 17, 3)).round() for image_id in (1, 2, 3)}
    for people in keypoints.values():
        people[..., 2] = 2
    annotations = [
        {"image_id": image_id, "category_id": 7, "iscrowd": 0, "num_keypoints": 17, "area": 9000.0,
         "bbox": [0, 0, 200, 200], "keypoints": person.ravel().tolist()}
        for image_id, people in keypoints.items()
        for person in people
    ]  # fmt: skip
    content = {
        "images": [{"id": i, "file_name": f"{i}.jpg", "height": 200, "width": 200} for i in (1, 2, 3)],
        "annotations": annotations,
        "categories": [{"id": 7, "name": "person"}],
    }
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(content))
    return path, keypoints


def detections(keypoints, shift=0.0):
    """The truth as detections, moved by some px."""
    found = {}
    for image_id, people in keypoints.items():
        moved = people.astype(np.float32).copy()
        moved[..., 0] += shift
        found[image_id] = Poses(moved, np.linspace(1, 0.5, len(moved), dtype=np.float32)).to_coco(image_id)
    return found


def test_truth_scores_one_and_nothing_scores_zero(truth):
    path, keypoints = truth
    evaluator = CocoKeypointEvaluator(path, SKELETON)
    perfect = evaluator.evaluate(detections(keypoints))
    assert perfect["AP"] == pytest.approx(1.0)
    assert perfect["AP_M"] == pytest.approx(1.0)  # an area of 9000 px is medium
    assert math.isnan(perfect["AP_L"])
    nothing = evaluator.evaluate({1: [], 2: []})
    assert {name for name, value in nothing.items() if math.isnan(value)} == {"AP_L", "AR_L"}
    assert {value for value in nothing.values() if not math.isnan(value)} == {0.0}


def test_what_is_undefined_is_so_with_and_without_detections(truth):
    """Of images without people, of no image, and of sizes that nobody has."""
    path, keypoints = truth
    content = json.loads(path.read_text())
    content["annotations"] = [entry for entry in content["annotations"] if entry["image_id"] != 3]
    path.write_text(json.dumps(content))
    evaluator = CocoKeypointEvaluator(path, SKELETON)
    found = detections(keypoints, 50.0)
    for images in ({3: []}, {3: found[3]}, {}):
        assert all(math.isnan(value) for value in evaluator.evaluate(images).values())
    for images in ({1: [], 3: []}, {1: [], 3: found[3]}, {1: found[1]}):
        undefined = {name for name, value in evaluator.evaluate(images).items() if math.isnan(value)}
        assert undefined == {"AP_L", "AR_L"}


def test_ap_falls_as_the_definition_of_oks_says(truth):
    """All keypoints off by d: OKS = mean exp(-d^2 / (2 s^2 (2 sigma)^2)); AP counts the thresholds below it."""
    path, keypoints = truth
    shift = 8.0
    sigmas = np.array(SKELETON.oks_sigmas)
    oks = np.exp(-(shift**2) / (2 * 9000 * (2 * sigmas) ** 2)).mean()
    passed = sum(oks >= threshold for threshold in np.linspace(0.5, 0.95, 10))
    assert 0 < passed < 10
    result = CocoKeypointEvaluator(path, SKELETON).evaluate(detections(keypoints, shift))
    assert result["AP"] == pytest.approx(passed / 10)


def test_only_the_images_given_count(truth):
    path, keypoints = truth
    evaluator = CocoKeypointEvaluator(path, SKELETON)
    two = {image_id: people for image_id, people in detections(keypoints).items() if image_id != 3}
    assert evaluator.evaluate(two)["AP"] == pytest.approx(1.0)
    assert evaluator.evaluate({**two, 3: []})["AP"] < 0.8


def test_detections_are_left_as_they_were(truth):
    path, keypoints = truth
    found = detections(keypoints)
    before = json.dumps(found)
    evaluator = CocoKeypointEvaluator(path, SKELETON)
    first = evaluator.evaluate(found)
    assert json.dumps(found) == before
    assert evaluator.evaluate(found)["AP"] == first["AP"]


def test_sigmas_are_the_skeletons(truth):
    path, keypoints = truth
    strict = SKELETON.to_dict() | {"oks_sigmas": [0.001] * 17}
    evaluator = CocoKeypointEvaluator(path, type(SKELETON)(**strict))
    assert evaluator.evaluate(detections(keypoints, 8.0))["AP"] == 0
