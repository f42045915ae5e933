"""Evaluation of CrowdPose as in its own program: OKS by the box, and AP by crowd index."""

import json
import math

import numpy as np
import pytest

from gog_pose.errors import InputError
from gog_pose.evaluation import CocoKeypointEvaluator
from gog_pose.evaluation.coco import CROWD_METRICS, METRICS
from gog_pose.poses import Poses
from gog_pose.skeleton import load_skeleton

SKELETON = load_skeleton("crowdpose")
WIDTH, HEIGHT = 80.0, 100.0  # px, of everyone's box
PERSON = np.random.default_rng(0).uniform((0, 0, 2), (WIDTH, HEIGHT, 2), (14, 3)).round().astype(np.float32)


def moved(x):
    return PERSON + np.array([x, 0, 0], dtype=np.float32)


@pytest.fixture
def evaluator(tmp_path):
    """Return a constructor of evaluators for images with these crowd indices and one person each; ids count from 1."""

    def make(*crowd_indices):
        images = [
            {"id": image_id, "file_name": f"{image_id}.jpg", "height": 200, "width": 400}
            | ({} if index is None else {"crowdIndex": index})
            for image_id, index in enumerate(crowd_indices, start=1)
        ]
        people = [
            {"id": image["id"], "image_id": image["id"], "category_id": 1, "iscrowd": 0, "num_keypoints": 14,
             "bbox": [0, 0, WIDTH, HEIGHT], "keypoints": PERSON.ravel().tolist()}
            for image in images
        ]  # fmt: skip
        path = tmp_path / "crowdpose_val.json"
        content = {"images": images, "annotations": people, "categories": [{"id": 1, "name": "person"}]}
        path.write_text(json.dumps(content))
        return CocoKeypointEvaluator(path, SKELETON)

    return make


def found(**people_of_images):
    """Detections of images ``i1``, ``i2``, ...: for each person how far it is off, in px, and its score."""
    return {
        int(image[1:]): [
            entry
            for offset, score in people
            for entry in Poses(moved(offset)[None], np.array([score], np.float32)).to_coco(int(image[1:]))
        ]
        for image, people in people_of_images.items()
    }


def test_ap_by_crowding_is_that_of_the_images_of_each_level(evaluator):
    result = evaluator(0.1, 0.3, 0.5, 0.9).evaluate(
        found(
            i1=[(0, 0.95)],  # easy: found
            i2=[(0, 0.9)],  # medium: one found, one missed, a recall of 1/2 at a precision of 1
            i3=[],
            i4=[(200, 0.8), (0, 0.5)],  # hard: found after a false alarm, a precision of 1/2
        )
    )
    assert result["AP_easy"] == pytest.approx(1)
    assert result["AP_medium"] == pytest.approx(51 / 101)
    assert result["AP_hard"] == pytest.approx(1 / 2)
    # In order of their scores: right, right, wrong, right, of four people.
    assert result["AP"] == pytest.approx((51 * 1 + 25 * 3 / 4) / 101)


@pytest.mark.parametrize(
    ("index", "level"), [(0, "easy"), (0.199, "easy"), (0.2, "medium"), (0.799, "medium"), (0.8, "hard"), (1, "hard")]
)
def test_levels_begin_at_a_fifth_and_at_four_fifths(evaluator, index, level):
    result = evaluator(index).evaluate(found(i1=[(0, 1.0)]))
    assert result[f"AP_{level}"] == pytest.approx(1)
    assert sum(math.isnan(result[name]) for name in CROWD_METRICS) == 2  # no image is there


def test_oks_takes_a_person_to_cover_053_of_its_box(evaluator):
    offset = 7.0
    spread = 2 * 0.53 * WIDTH * HEIGHT * (2 * np.array(SKELETON.oks_sigmas)) ** 2
    oks = np.exp(-(offset**2) / spread).mean()
    passed = sum(oks >= threshold for threshold in np.linspace(0.5, 0.95, 10))
    assert passed < sum(np.exp(-(offset**2) * 0.53 / spread).mean() >= t for t in np.linspace(0.5, 0.95, 10)) < 10
    assert evaluator(0.5).evaluate(found(i1=[(offset, 1.0)]))["AP"] == pytest.approx(passed / 10)


def test_finding_nobody_scores_zero_at_every_level(evaluator):
    result = evaluator(0.1, 0.5, 0.9).evaluate(found(i1=[], i2=[], i3=[]))
    assert [result[name] for name in ("AP", *CROWD_METRICS)] == [0, 0, 0, 0]


def test_only_the_images_given_count(evaluator):
    result = evaluator(0.1, 0.1, 0.9).evaluate(found(i1=[(0, 1.0)]))
    assert result["AP_easy"] == pytest.approx(1)
    assert math.isnan(result["AP_hard"])


def test_other_sets_have_no_ap_by_crowding(evaluator):
    assert tuple(evaluator(None, None).evaluate(found(i1=[(0, 1.0)]))) == METRICS


def test_a_crowd_index_that_is_no_number_is_told(evaluator):
    with pytest.raises(InputError, match=r"crowdpose_val\.json: images\[1\].crowdIndex: 'high' must be a number"):
        evaluator(0.1, "high")
