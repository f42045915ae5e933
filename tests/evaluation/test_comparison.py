"""The bootstrap of differences: signs, exact zeros, and a brute-force reference with pycocotools."""

import json

import numpy as np
import pytest

from gog_pose.data.annotation_file import AnnotationFile
from gog_pose.evaluation.coco import CocoKeypointEvaluator
from gog_pose.evaluation.comparison import compare
from gog_pose.skeleton import load_skeleton

SKELETON = load_skeleton("coco_19")
PEOPLE = 3  # per image
IMAGES = 8


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    random = np.random.default_rng(0)
    annotations = []
    for image in range(IMAGES):
        for _ in range(PEOPLE):
            xy = random.uniform(0, 400, 2) + random.uniform(0, 80, (17, 2))
            keypoints = np.concatenate([xy, np.full((17, 1), 2)], axis=1)
            annotations.append(
                {"id": len(annotations) + 1, "image_id": image, "category_id": 1, "num_keypoints": 17, "iscrowd": 0,
                 "keypoints": keypoints.ravel().tolist(), "area": 6400.0, "bbox": [*xy.min(axis=0), 80.0, 80.0]}
            )  # fmt: skip
    content = {
        "images": [{"id": image, "file_name": f"{image}.jpg", "width": 500, "height": 500} for image in range(IMAGES)],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person", "keypoints": list(SKELETON.keypoints), "skeleton": []}],
    }
    path = tmp_path_factory.mktemp("annotations") / "person_keypoints_val.json"
    path.write_text(json.dumps(content))
    return AnnotationFile.of(path)


def detections(file, error, seed=0):
    """Return the annotated people, displaced by so many px."""
    random = np.random.default_rng(seed)
    found = {image: [] for image in range(IMAGES)}
    for person in file.people.values():
        keypoints = np.array(person["keypoints"]).reshape(-1, 3).astype(float)
        keypoints[:, :2] += random.normal(0, error, (17, 2))
        found[person["image_id"]].append(
            {"image_id": person["image_id"], "category_id": 1, "keypoints": keypoints.ravel().tolist(),
             "score": float(random.uniform(0.2, 1))}
        )  # fmt: skip
    return found


def test_equal_detections_differ_by_nothing(file):
    same = compare(file, detections(file, 4), detections(file, 4), SKELETON, resamples=20)
    assert (same["difference"], same["low"], same["high"], same["better"]) == (0, 0, 0, 0)


def test_better_detections_have_an_interval_above_zero_and_the_comparison_is_antisymmetric(file):
    good, bad = detections(file, 2), detections(file, 9)
    forward, back = (compare(file, *pair, SKELETON, resamples=50) for pair in ((good, bad), (bad, good)))
    assert forward["low"] > 0
    assert forward["better"] == 1
    assert (back["difference"], back["low"], back["high"]) == pytest.approx(
        (-forward["difference"], -forward["high"], -forward["low"])
    )


def test_precisions_are_those_of_pycocotools_also_in_a_resample(file):
    one, other = detections(file, 4), detections(file, 8, seed=1)
    found = compare(file, one, other, SKELETON, resamples=1, seed=3)
    truth = CocoKeypointEvaluator(file, SKELETON)
    assert found["AP"] == pytest.approx(truth.evaluate(one)["AP"])
    assert found["other_AP"] == pytest.approx(truth.evaluate(other)["AP"])
    # The resample as a data set of its own, with a new id for each image drawn.
    sample = np.random.default_rng(3).integers(IMAGES, size=IMAGES)
    content = {**json.loads(file.path.read_text()), "images": [], "annotations": []}
    drawn = ({}, {})
    for place, image in enumerate(sample.tolist()):
        content["images"].append({**file.images[image], "id": place})
        for person in file.people.values():
            if person["image_id"] == image:
                content["annotations"].append({**person, "id": len(content["annotations"]) + 1, "image_id": place})
        for target, source in zip(drawn, (one, other), strict=True):
            target[place] = [{**person, "image_id": place} for person in source[image]]
    path = file.path.with_name("resampled.json")
    path.write_text(json.dumps(content))
    resampled = CocoKeypointEvaluator(path, SKELETON)
    expected = np.subtract(*(resampled.evaluate(one)["AP"] for one in drawn))
    assert (found["low"], found["high"]) == pytest.approx((expected, expected))


def test_differences_of_halves_are_those_of_pycocotools(file):
    one, other = detections(file, 4), detections(file, 8, seed=1)
    shuffled = {image: one[image] for image in reversed(range(IMAGES))}
    truth = CocoKeypointEvaluator(file, SKELETON)
    for first, name in enumerate(("difference_A", "difference_B")):
        half = range(first, IMAGES, 2)
        expected = np.subtract(
            *(truth.evaluate({image: found[image] for image in half})["AP"] for found in (one, other))
        )
        for found in (compare(file, one, other, SKELETON, 1), compare(file, shuffled, other, SKELETON, 1)):
            assert found[name] == pytest.approx(expected)


def test_detections_of_other_images_are_refused(file):
    one = detections(file, 4)
    with pytest.raises(ValueError, match="same images"):
        compare(file, one, {image: people for image, people in one.items() if image}, SKELETON)
