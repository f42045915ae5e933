"""Numbers beside COCO's: hand-computed cases, identities, and pycocotools and loops as references."""

import contextlib
import io
import json

import numpy as np
import pytest
from annotated import standing, write_annotations
from hypothesis import given
from hypothesis import strategies as st

from gog_pose.data.annotation_file import AnnotationFile
from gog_pose.errors import InputError
from gog_pose.evaluation import CocoKeypointEvaluator
from gog_pose.evaluation.numbers.numbers import NumberOptions, measure_numbers
from gog_pose.evaluation.numbers.score_threshold import ScoreCurve
from gog_pose.evaluation.numbers.sizes import person_sizes
from gog_pose.evaluation.numbers.table import keypoint_rows, texts
from gog_pose.skeleton import Skeleton, load_skeleton

SKELETON = load_skeleton("coco_19")
A, B = standing(0, 0), standing(150, 0)
SCALE = np.sqrt(3000)  # px, of all people of annotated.py; their boxes are 60 x 100 px
NOSE, LEFT_ANKLE = 0, 15


def result(image_id, keypoints, score):
    return {"image_id": image_id, "category_id": 1, "keypoints": keypoints.ravel().tolist(), "score": float(score)}


def measured(tmp_path, people, found, **options):
    """Measure detections ``(keypoints, score)`` by image id."""
    file = AnnotationFile.of(write_annotations(tmp_path / "truth.json", people))
    detections = {image: [result(image, *pair) for pair in found.get(image, [])] for image in people}
    return measure_numbers(file, detections, SKELETON, NumberOptions(**options))


def shifted(person, keypoint, by):
    """A person with one keypoint elsewhere, px."""
    changed = person.copy()
    changed[keypoint, :2] += by
    return changed


def test_perfect_detections_have_perfect_numbers(tmp_path):
    record = measured(tmp_path, {1: [A, B], 2: [A]}, {1: [(A, 0.9), (B, 0.8)], 2: [(A, 0.7)]}).to_dict()
    for name, own in record["keypoints"]["by_type"].items():
        assert own["AP"] == pytest.approx(1), name
        assert (own["labeled"], own["detected"], own["error_px"], own["error_scales"]) == (3, 3, 0, 0)
        assert own["PCK@0.05"] == own["PCK@0.1"] == own["PCK@0.2"] == 1
    assert record["keypoints"]["all"]["labeled"] == 51
    assert record["score_threshold"]["best"] == {"threshold": 0.7, "precision": 1, "recall": 1, "F1": 1}


def test_without_detections_nothing_is_right(tmp_path):
    record = measured(tmp_path, {1: [A]}, {}).to_dict()
    nose = record["keypoints"]["by_type"]["nose"]
    assert (nose["AP"], nose["labeled"], nose["detected"], nose["PCK@0.2"]) == (0, 1, 0, 0)
    assert np.isnan(nose["error_px"])
    assert record["score_threshold"]["curve"] == []
    assert np.isnan(record["score_threshold"]["best"]["F1"])


def test_distances_by_hand(tmp_path):
    """The nose of A is 3-4-5 px off, that of B 10 px; B's left ankle is not detected; C has no detection."""
    c = standing(0, 130)
    found_b = shifted(B, NOSE, (10, 0))
    found_b[LEFT_ANKLE] = 0
    found = {1: [(shifted(A, NOSE, (3, 4)), 0.9), (found_b, 0.8)]}
    record = measured(tmp_path, {1: [A, B, c]}, found, pck=(0.05, 0.1)).to_dict()["keypoints"]
    nose, ankle = record["by_type"]["nose"], record["by_type"]["left_ankle"]
    assert (nose["labeled"], nose["detected"]) == (3, 2)
    assert nose["error_px"] == pytest.approx(7.5)
    assert nose["error_scales"] == pytest.approx(7.5 / SCALE)
    assert nose["PCK@0.05"] == pytest.approx(1 / 3)  # 5 px of the box's 100: at the threshold is within
    assert nose["PCK@0.1"] == pytest.approx(2 / 3)
    assert (ankle["labeled"], ankle["detected"], ankle["error_px"]) == (3, 1, 0)
    assert ankle["PCK@0.1"] == pytest.approx(1 / 3)
    assert record["all"]["labeled"] == 51
    assert record["all"]["detected"] == 33
    assert record["all"]["error_px"] == pytest.approx(15 / 33)
    assert record["all"]["PCK@0.1"] == pytest.approx(33 / 51)


def test_unlabeled_keypoints_and_people_do_not_count(tmp_path):
    half = standing(0, 0, labelled=range(5))
    nobody = np.zeros((17, 3))
    path = write_annotations(tmp_path / "truth.json", {1: [half]})
    content = json.loads(path.read_text())
    unlabeled = {**content["annotations"][0], "keypoints": nobody.ravel().tolist(), "num_keypoints": 0}
    content["annotations"].append({**unlabeled, "bbox": [150.0, 0.0, 60.0, 100.0]})
    path.write_text(json.dumps(content))
    detections = {1: [result(1, shifted(A, LEFT_ANKLE, (30, 0)), 0.9), result(1, B, 0.95)]}
    record = measure_numbers(AnnotationFile.of(path), detections, SKELETON).to_dict()
    assert record["keypoints"]["all"]["labeled"] == 5
    assert record["keypoints"]["all"]["error_px"] == 0
    assert np.isnan(record["keypoints"]["by_type"]["left_ankle"]["AP"])
    assert record["keypoints"]["by_type"]["nose"]["AP"] == pytest.approx(1)
    # The detection of the person without labels is neither right nor wrong.
    assert record["score_threshold"]["best"] == {"threshold": 0.9, "precision": 1, "recall": 1, "F1": 1}


def scene(seed):
    """Images of people, some keypoints unlabeled, and noisy, doubled, false and tied detections."""
    random = np.random.default_rng(seed)
    people, found = {}, {}
    for image in range(1, 6):
        own = []
        for number in range(random.integers(0, 4)):
            labelled = np.flatnonzero(random.random(17) < 0.7)
            own.append(standing(60 * number, 20 * image, labelled if len(labelled) else [0]))
        people[image] = own
        detections = [standing(60 * number, 20 * image) for number in range(len(own))]
        detections += [standing(*random.uniform(0, 200, 2)) for _ in range(random.integers(0, 3))]
        noisy = []
        for person in detections:
            moved = person.astype(float)
            moved[:, :2] += random.normal(0, random.choice([1, 5, 12]), (17, 2))
            moved[random.random(17) < 0.1] = 0
            noisy.append((moved, round(random.random(), 1)))
        found[image] = noisy
    people[6] = [A]
    return people, found


@pytest.mark.parametrize("seed", range(4))
def test_the_ap_of_a_type_is_pycocotools_where_only_that_type_is_labeled(tmp_path, seed):
    people, found = scene(seed)
    numbers = measured(tmp_path, people, found)
    detections = {image: [result(image, *pair) for pair in found.get(image, [])] for image in people}
    different = set()
    for index, name in enumerate(SKELETON.keypoints):
        content = json.loads((tmp_path / "truth.json").read_text())
        for person in content["annotations"]:
            keypoints = np.array(person["keypoints"]).reshape(17, 3)
            keypoints[np.arange(17) != index] = 0
            person["keypoints"] = keypoints.ravel().tolist()
            person["num_keypoints"] = int(keypoints[index, 2] > 0)
        (tmp_path / "one.json").write_text(json.dumps(content))
        with contextlib.redirect_stdout(io.StringIO()):
            reference = CocoKeypointEvaluator(tmp_path / "one.json", SKELETON).evaluate(detections)["AP"]
        assert numbers.precisions[name] == pytest.approx(reference, abs=1e-9, nan_ok=True)
        different.add(round(reference, 6))
    assert len(different) > 5


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("oks", [0.3, 0.5, 0.75])
def test_the_curve_is_what_matching_the_kept_detections_alone_gives(tmp_path, seed, oks):
    """Each point of the curve: the detections below the threshold are removed and the rest is matched anew."""
    people, found = scene(seed)
    curve = measured(tmp_path, people, found, f1_oks=oks).scores
    assert len(curve.thresholds) > 2
    for threshold, precision, recall, f1 in zip(*curve, strict=True):
        kept = {image: [pair for pair in own if pair[1] >= threshold] for image, own in found.items()}
        right = wrong = total = 0
        for image, own in people.items():
            free = list(own)
            total += len(own)
            for detection, _ in sorted(kept.get(image, []), key=lambda pair: -pair[1]):
                similar = [one_oks(detection, person) for person in free]
                if similar and max(similar) >= oks:
                    right += 1
                    free.pop(int(np.argmax(similar)))
                else:
                    wrong += 1
        assert precision == pytest.approx(right / (right + wrong))
        assert recall == pytest.approx(right / total)
        assert f1 == pytest.approx(2 * right / (right + wrong + total))


def one_oks(detection, person):
    spread = 2 * 3000.0 * (2 * np.array(SKELETON.oks_sigmas)) ** 2
    similarity = np.exp(-np.square(detection[:, :2] - person[:, :2]).sum(axis=1) / spread)
    return similarity[person[:, 2] > 0].mean()


def test_the_score_curve_by_hand():
    curve = ScoreCurve.of(np.array([0.5, 0.9, 0.7, 0.7]), np.array([True, True, False, True]), people=4)
    assert curve.thresholds.tolist() == [0.9, 0.7, 0.5]  # equal scores are kept together
    assert curve.precision == pytest.approx([1, 2 / 3, 3 / 4])
    assert curve.recall == pytest.approx([1 / 4, 2 / 4, 3 / 4])
    assert curve.f1 == pytest.approx([2 / 5, 4 / 7, 6 / 8])
    assert curve.best() == pytest.approx({"threshold": 0.5, "precision": 3 / 4, "recall": 3 / 4, "F1": 3 / 4})
    assert [row["threshold"] for row in curve.rows(2)] == [0.9, 0.5]


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.4, 0.5, 0.9]), st.booleans()), min_size=1), st.integers(0, 5))
def test_the_best_threshold_is_the_best_of_all(detections, missed):
    scores, is_right = (np.array(part) for part in zip(*detections, strict=True))
    people = int(is_right.sum()) + missed
    best = ScoreCurve.of(scores, is_right, people).best()
    if not people:
        assert np.isnan(best["F1"])
        return
    of = {t: 2 * is_right[scores >= t].sum() / ((scores >= t).sum() + people) for t in scores.tolist()}
    assert best["F1"] == pytest.approx(max(of.values()))
    assert best["threshold"] == max(t for t, value in of.items() if value == max(of.values()))


def test_sizes_by_hand():
    boxes = np.array([[0, 0, 60, 100], [0, 0, 30, 20]])
    people = np.stack([A, standing(0, 0, labelled=[0, 5, 12])])
    assert person_sizes("box", people, boxes, SKELETON).tolist() == [100, 30]
    # From ear (60, 10) to ear (40, 10); of the second person the nose alone is labeled.
    np.testing.assert_allclose(person_sizes("head", people, boxes, SKELETON), [20, np.nan])
    # From shoulder (66, 28) to hip (40, 60), the same in both.
    np.testing.assert_allclose(person_sizes("torso", people, boxes, SKELETON), [np.hypot(26, 32)] * 2)


def test_people_without_a_size_are_counted_and_left_out(tmp_path):
    b = standing(150, 0, labelled=[0, *range(5, 17)])  # no second keypoint of the head
    found = {1: [(shifted(A, NOSE, (0, 5)), 0.9), (b, 0.8)]}
    record = measured(tmp_path, {1: [A, b]}, found, pck=(0.2, 0.25), pck_size="head").to_dict()["keypoints"]
    assert record["people_without_size"] == 1
    assert record["by_type"]["nose"]["PCK@0.2"] == 0  # 5 px of 20
    assert record["by_type"]["nose"]["PCK@0.25"] == 1
    assert record["by_type"]["nose"]["error_px"] == pytest.approx(2.5)


def skeleton(*names):
    return Skeleton("own", names, [], [], [0.05] * len(names))


@pytest.mark.parametrize(
    ("size", "names"),
    [
        ("head", ("nose", "forearm", "tail")),  # an "ear" in "forearm" is none
        ("torso", ("left_shoulder", "right_shoulder", "knee")),
        ("foot", ("nose", "eye", "hip", "shoulder")),
    ],
)
def test_sizes_that_a_skeleton_lacks_are_refused_in_one_line(size, names):
    with pytest.raises(InputError, match=r"^keypoints\.pck_size: .*choose [^\n]*box") as error:
        NumberOptions(pck_size=size).check(skeleton(*names))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "names", [("HeadTop", "Neck", "LeftShoulder", "RightHip"), ("head1", "l-ear", "shoulder", "hip")]
)
def test_any_spelling_of_names_is_understood(names):
    people = np.array([[(0, 0, 2), (0, 8, 2), (5, 10, 2), (5, 30, 2)]], dtype=float)
    assert person_sizes("head", people, np.zeros((1, 4)), skeleton(*names)) == [8]
    assert person_sizes("torso", people, np.zeros((1, 4)), skeleton(*names)) == [20]
    assert np.isnan(person_sizes("box", people, np.zeros((1, 4)), skeleton(*names)))


def test_the_table_has_a_row_per_type_and_one_of_all(tmp_path):
    rows = keypoint_rows(measured(tmp_path, {1: [A]}, {1: [(shifted(A, NOSE, (17, 0)), 0.9)]}).to_dict()["keypoints"])
    assert [row["keypoint"] for row in rows] == [*SKELETON.keypoints, "all"]
    assert {tuple(row) for row in rows} == {
        ("keypoint", "AP", "labeled", "detected", "error_px", "error_scales", "PCK@0.05", "PCK@0.1", "PCK@0.2")
    }
    assert texts(rows[-1]) == ["all", "-", "17", "17", "1.0", f"{1 / SCALE:.3f}", "0.941", "0.941", "1.000"]
