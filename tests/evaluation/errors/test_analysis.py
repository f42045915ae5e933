"""Errors of each kind, made by hand one at a time; the AP of repaired detections equals that of COCO's evaluation."""

import json

import numpy as np
import pytest
from annotated import standing, write_annotations
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.cocoeval import COCOeval

from gog_pose.data.annotation_file import AnnotationFile
from gog_pose.errors import InputError
from gog_pose.evaluation import CocoKeypointEvaluator
from gog_pose.evaluation.coco import coco_truth
from gog_pose.evaluation.errors.analysis import analyse
from gog_pose.evaluation.errors.keypoint_errors import GOOD, INVERSION, JITTER, KINDS, MISS, SWAP, classify
from gog_pose.evaluation.errors.precision import Detected, KeypointEvaluation, match
from gog_pose.evaluation.errors.repairs import REPAIRS
from gog_pose.skeleton import load_skeleton

SKELETON = load_skeleton("coco_19")
AREA = 3000.0  # px^2, of all people of annotated.py
A, B = standing(0, 0), standing(150, 0)
LEFT_WRIST, RIGHT_WRIST = 9, 10


def similarity(distance, keypoint=LEFT_WRIST):
    return np.exp(-(distance**2) / (2 * AREA * (2 * SKELETON.oks_sigmas[keypoint]) ** 2))


def distance(value, keypoint=LEFT_WRIST):
    """Return the distance at which a keypoint has a similarity, px."""
    return 2 * SKELETON.oks_sigmas[keypoint] * np.sqrt(-2 * AREA * np.log(value))


def moved(person, keypoint, place):
    """A person with one keypoint elsewhere."""
    changed = person.copy()
    changed[keypoint, :2] = place
    return changed


def result(image_id, keypoints, score):
    return {"image_id": image_id, "category_id": 1, "keypoints": keypoints.ravel().tolist(), "score": score}


def analysis(tmp_path, people, found):
    """Analyse detections ``(keypoints, score)`` by image id."""
    path = write_annotations(tmp_path / "truth.json", people)
    detections = {image: [result(image, *pair) for pair in found.get(image, [])] for image in people}
    return analyse(path, detections, SKELETON)


def gains(record, way):
    return {kind: repair[way]["gain"] for kind, repair in record["repairs"].items()}


def wrist_only(**counts):
    return {**dict.fromkeys((*KINDS, "not_detected"), 0), **counts}


def test_good_poses_have_no_errors(tmp_path):
    record = analysis(tmp_path, {1: [A, B], 2: [A]}, {1: [(A, 0.9), (B, 0.8)], 2: [(A, 0.7)]}).to_dict()
    assert record["AP"] == pytest.approx(1)
    assert record["people"] == {"labelled": 3, "matched": 3, "false_negative": 0, "outranked": 0, "mean_oks": 1.0}
    assert record["detections"] == {"evaluated": 3, "matched": 3, "background": 0, "duplicate": 0}
    assert record["keypoints"] == {**wrist_only(good=51), "of_false_negatives": 0}
    for way in ("alone", "together"):
        assert gains(record, way) == pytest.approx(dict.fromkeys(REPAIRS, 0.0))


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        (A[LEFT_WRIST, :2] + (0.99 * distance(0.85), 0), GOOD),
        (A[LEFT_WRIST, :2] + (1.01 * distance(0.85), 0), JITTER),
        (A[LEFT_WRIST, :2] + (0.99 * distance(0.5), 0), JITTER),
        (A[LEFT_WRIST, :2] + (1.01 * distance(0.5), 0), MISS),
        (A[RIGHT_WRIST, :2] + (0, 0.99 * distance(0.5)), INVERSION),
        (A[RIGHT_WRIST, :2] + (0, 1.01 * distance(0.5)), MISS),
        (B[LEFT_WRIST, :2] - (0, 3), SWAP),
        (B[RIGHT_WRIST, :2] - (0, 3), SWAP),
        (B[0, :2], MISS),  # a nose is no wrist
        ((0.0, 0.0), MISS),  # not detected
    ],
)
def test_one_wrist_in_the_wrong_place(tmp_path, place, kind):
    found = {1: [(moved(A, LEFT_WRIST, place), 0.8), (B, 0.9)]}
    record = analysis(tmp_path, {1: [A, B]}, found).to_dict()
    absent = int(tuple(place) == (0.0, 0.0))
    assert record["by_keypoint"]["left_wrist"] == {
        **wrist_only(good=1), KINDS[kind]: 1 + (kind == GOOD), "not_detected": absent,
    }  # fmt: skip
    assert record["keypoints"][KINDS[kind]] == (34 if kind == GOOD else 1)
    assert record["keypoints"]["good"] == (34 if kind == GOOD else 33)
    others = [name for name in record["by_keypoint"] if name != "left_wrist"]
    assert all(record["by_keypoint"][name] == wrist_only(good=2) for name in others)
    for name, gain in gains(record, "alone").items():
        assert gain >= -1e-12
        if name not in (KINDS[kind], "false_negative", "false_positive"):
            assert gain == pytest.approx(0), name


def test_the_own_place_comes_first():
    """A wrist near its own label is good even if another person's wrist is nearer."""
    other = A.copy()
    other[:, 0] += 0.9 * distance(0.85)
    place = A[LEFT_WRIST, :2] + (0.89 * distance(0.85), 0)
    errors = classify(moved(A, LEFT_WRIST, place)[:, :2], np.stack([A, other]), np.full(2, AREA), 0, SKELETON)
    assert (errors.kinds == GOOD).all()


def test_repaired_keypoints_have_the_similarity_that_their_error_allows():
    people, areas = np.stack([A, B]), np.full(2, AREA)
    wrist = A[LEFT_WRIST, :2]
    for place, expected in (
        (wrist + np.array([0, 1.5 * distance(0.85)]), 0.85),
        ((300.0, 300.0), 0.5),
        ((0.0, 0.0), 0.5),
        (A[RIGHT_WRIST, :2] + (0, 4), similarity(4)),
        (B[RIGHT_WRIST, :2] + (0, 2), similarity(2)),
        (B[LEFT_WRIST, :2], 1.0),
    ):
        errors = classify(moved(A, LEFT_WRIST, place)[:, :2], people, areas, 0, SKELETON)
        away = np.hypot(*(errors.repaired[LEFT_WRIST] - wrist))
        assert similarity(away) == pytest.approx(expected, abs=1e-6)
        assert similarity(away) >= expected
        untouched = np.arange(17) != LEFT_WRIST
        np.testing.assert_array_equal(errors.repaired[untouched], A[untouched, :2])


def test_unlabelled_keypoints_are_no_errors(tmp_path):
    partly = standing(0, 0, range(11))
    record = analysis(tmp_path, {1: [partly]}, {1: [(A, 0.9)]}).to_dict()
    assert record["keypoints"] == {**wrist_only(good=11), "of_false_negatives": 0}
    assert record["by_keypoint"]["left_knee"] == wrist_only()


def test_a_person_without_detection(tmp_path):
    record = analysis(tmp_path, {1: [A, B]}, {1: [(A, 0.9)]}).to_dict()
    assert record["people"]["false_negative"] == 1
    assert record["keypoints"] == {**wrist_only(good=17), "of_false_negatives": 17}
    assert record["AP"] == pytest.approx(51 / 101)  # recall reaches 0.5: 51 of COCO's 101 recalls
    for way in ("alone", "together"):
        assert gains(record, way) == pytest.approx({**dict.fromkeys(REPAIRS, 0.0), "false_negative": 50 / 101})


def test_a_detection_in_the_background(tmp_path):
    far = standing(40, 130)
    record = analysis(tmp_path, {1: [A]}, {1: [(far, 0.9), (A, 0.8)]}).to_dict()
    assert record["detections"] == {"evaluated": 2, "matched": 1, "background": 1, "duplicate": 0}
    assert record["AP"] == pytest.approx(0.5)
    alone = gains(record, "alone")
    assert alone == pytest.approx({**dict.fromkeys(REPAIRS, 0.0), "score": 0.5, "false_positive": 0.5})
    assert gains(record, "together") == pytest.approx({**dict.fromkeys(REPAIRS, 0.0), "score": 0.5})


def test_a_worse_duplicate_with_the_higher_score(tmp_path):
    """The duplicate takes the person at OKS 0.5 to 0.6: there the better one is a false positive, below the first."""
    half = A.copy()
    half[11:, :2] += 1000  # OKS 11 / 17 = 0.647
    record = analysis(tmp_path, {1: [A]}, {1: [(half, 0.9), (A, 0.8)]}).to_dict()
    assert record["people"]["outranked"] == 1
    assert record["detections"]["duplicate"] == 1
    assert record["AP"] == pytest.approx((3 * 1 + 7 * 0.5) / 10)
    assert gains(record, "alone")["score"] == pytest.approx(0.35)
    right_order = analysis(tmp_path, {1: [A]}, {1: [(half, 0.8), (A, 0.9)]}).to_dict()
    assert right_order["people"]["outranked"] == 0
    assert right_order["detections"]["duplicate"] == 1
    assert right_order["AP"] == pytest.approx(1)


def test_detections_of_unlabelled_people_are_no_errors(tmp_path):
    path = write_annotations(tmp_path / "truth.json", {1: [A, B]})
    content = json.loads(path.read_text())
    content["annotations"][1] |= {"keypoints": [0] * 51, "num_keypoints": 0}
    path.write_text(json.dumps(content))
    record = analyse(path, {1: [result(1, A, 0.5), result(1, B, 0.9)]}, SKELETON).to_dict()
    assert record["people"]["labelled"] == 1
    assert record["detections"] == {"evaluated": 2, "matched": 1, "background": 0, "duplicate": 0}
    assert record["AP"] == pytest.approx(1)


def test_groups_of_people(tmp_path):
    """Boxes are 60 x 100 px: moved by 40 px they share 20 of 100 columns, by 60 px none."""
    crowd = [standing(x, 0) for x in (0, 40, 80, 250)]
    path = write_annotations(tmp_path / "truth.json", {1: crowd})
    content = json.loads(path.read_text())
    content["annotations"][3]["area"] = 96.0**2
    path.write_text(json.dumps(content))
    found = [result(1, person, 0.9 - 0.1 * index) for index, person in enumerate(crowd[1:])]
    analysed = analyse(path, {1: found}, SKELETON)
    assert analysed.images[0].overlaps.tolist() == [1, 2, 1, 0]
    record = analysed.to_dict()
    sizes = {name: group["people"]["labelled"] for name, group in record["by_size"].items()}
    assert sizes == {"small": 0, "medium": 3, "large": 1}
    assert {name: group["people"]["labelled"] for name, group in record["by_crowding"].items()} == {
        "0": 1, "1-2": 3, "3+": 0,
    }  # fmt: skip
    for part in ("by_size", "by_crowding"):
        for kind in (*KINDS, "of_false_negatives"):
            assert sum(group["keypoints"][kind] for group in record[part].values()) == record["keypoints"][kind]


def test_nothing_detected_and_nothing_right(tmp_path):
    record = analysis(tmp_path, {1: [A], 2: [B]}, {}).to_dict()
    assert record["AP"] == 0
    assert gains(record, "together") == pytest.approx({**dict.fromkeys(REPAIRS, 0.0), "false_negative": 1.0})
    wrong = analysis(tmp_path, {1: [A]}, {1: [(standing(40, 130), 0.9)]}).to_dict()
    assert gains(wrong, "together") == pytest.approx({**dict.fromkeys(REPAIRS, 0.0), "false_negative": 1.0})
    assert gains(wrong, "alone") == pytest.approx(dict.fromkeys(REPAIRS, 0.0))  # what is left is no person


def scene(seed, images=6):
    """Random people, and detections with errors of all kinds."""
    random = np.random.default_rng(seed)
    people, found = {}, {}
    for image in range(1, images + 1):
        own = []
        for _ in range(random.integers(1, 5)):
            labelled = np.flatnonzero(random.random(17) < 0.8)
            own.append(standing(*random.integers(0, 200, 2), labelled if len(labelled) else [0]))
        people[image] = own
        found[image] = []
        for person in own * 2:
            if random.random() < 0.6:
                guess = person.copy()
                guess[:, :2] += random.normal(0, random.choice([1, 4, 30]), (17, 2))
                if random.random() < 0.3:
                    guess = guess[list(SKELETON.flip_index)]
                wrong = random.random(17) < 0.2
                guess[wrong, :2] = own[random.integers(len(own))][wrong, :2]
                found[image].append((guess, float(random.random())))
    return people, found


@pytest.mark.parametrize("seed", range(4))
def test_kinds_part_the_labelled_keypoints_and_all_repairs_lead_to_one(tmp_path, seed):
    people, found = scene(seed)
    analysed = analysis(tmp_path, people, found)
    record = analysed.to_dict()
    labelled = sum(int((person[:, 2] > 0).sum()) for own in people.values() for person in own)
    counts = record["keypoints"]
    assert sum(counts[kind] for kind in KINDS) + counts["of_false_negatives"] == labelled
    for kind in (*KINDS, "not_detected"):
        assert sum(own[kind] for own in record["by_keypoint"].values()) == counts[kind]
    for image in analysed.images:
        matched = image.detection_of >= 0
        assert ((image.kinds >= 0) == ((image.people[..., 2] > 0) & matched[:, None])).all()
        assert len(set(image.detection_of[matched].tolist())) == matched.sum()
    detections = record["detections"]
    assert detections["matched"] + detections["background"] + detections["duplicate"] == detections["evaluated"]
    assert record["repairs"]["false_negative"]["together"]["AP"] == pytest.approx(1)
    assert record["AP"] + sum(gains(record, "together").values()) == pytest.approx(1)


def test_order_of_detections_makes_no_difference(tmp_path):
    people, found = scene(5)
    first = analysis(tmp_path, people, found).to_dict()
    turned = dict(reversed([(image, own[::-1]) for image, own in found.items()]))
    assert json.dumps(analysis(tmp_path, people, turned).to_dict()) == json.dumps(first)


@pytest.mark.parametrize("seed", range(3))
def test_ap_is_what_the_evaluator_says_of_the_same_detections(tmp_path, seed):
    """AP without repairs, and with one and more kinds of keypoint errors repaired."""
    people, found = scene(seed)
    analysed = analysis(tmp_path, people, found)
    path = tmp_path / "truth.json"
    evaluator = CocoKeypointEvaluator(path, SKELETON)
    names = ("AP", "AP50", "AP75", "AP_M", "AP_L")

    def evaluated(kinds):
        results = {}
        for image in analysed.images:
            places = image.places.copy()
            for person in np.flatnonzero(image.detection_of >= 0):
                chosen = np.isin(image.kinds[person], [KINDS.index(kind) for kind in kinds])
                own = image.detection_of[person]
                places[own, chosen] = image.repaired[own, chosen]
            results[image.image_id] = [
                result(image.image_id, np.concatenate([place, np.ones((17, 1))], axis=1), score)
                for place, score in zip(places, image.scores.tolist(), strict=True)
            ]
        metrics = evaluator.evaluate(results)
        return [metrics[name] for name in names]

    record = analysed.to_dict()
    assert [record[name] for name in names] == pytest.approx(evaluated([]), nan_ok=True, abs=1e-12)
    for count, kind in enumerate(REPAIRS[:4], start=1):
        repair = record["repairs"][kind]
        for way, kinds in (("alone", [kind]), ("together", REPAIRS[:count])):
            values = [repair[way][name] for name in names]
            assert values == pytest.approx(evaluated(kinds), nan_ok=True, abs=1e-12)


def test_similarities_and_matches_are_those_of_pycocotools(tmp_path):
    """With crowds, unlabelled people and more detections than COCO looks at."""
    people, found = scene(7, images=8)
    path = write_annotations(tmp_path / "truth.json", people)
    content = json.loads(path.read_text())
    for place, person in enumerate(content["annotations"]):
        person["area"] = float(500 * (1 + place % 25))
        if place % 4 == 1:
            person |= {"keypoints": [0] * 51, "num_keypoints": 0, "iscrowd": place // 4 % 2}
    path.write_text(json.dumps(content))
    file = AnnotationFile.of(path)
    truth, category = coco_truth(file, SKELETON), file.category_id
    random = np.random.default_rng(0)
    detected = []
    for image, own in found.items():
        places = np.array([keypoints[:, :2] for keypoints, _ in own * 6], dtype=np.float64).reshape(-1, 17, 2)
        places += random.normal(0, 3, places.shape)
        detected.append(Detected(image, places, random.random(len(places)).round(2)))
    ours = KeypointEvaluation(truth, detected, category, SKELETON)

    plain = COCOeval(truth, truth.loadRes(
        [result(image.image_id, np.concatenate([place, np.ones((17, 1))], axis=1), float(score))
         for image in detected for place, score in zip(image.places, image.scores, strict=True)]
    ), "keypoints")  # fmt: skip
    plain.params.kpt_oks_sigmas = np.array(SKELETON.oks_sigmas)
    plain.evaluate()
    plain.accumulate()
    assert max(len(image.scores) for image in detected) > 20
    for key, oks in plain.ious.items():
        if len(oks):
            np.testing.assert_allclose(ours.ious[key], oks, rtol=1e-12)
    for own, expected in zip(ours.evalImgs, plain.evalImgs, strict=True):
        np.testing.assert_array_equal(own["dtIds"], expected["dtIds"])
        np.testing.assert_array_equal(own["dtMatches"], expected["dtMatches"])
        np.testing.assert_array_equal(own["dtIgnore"], expected["dtIgnore"])
        order = np.argsort(own["gtIds"]), np.argsort(expected["gtIds"])
        np.testing.assert_array_equal(own["gtMatches"][:, order[0]], np.array(expected["gtMatches"])[:, order[1]])
    ours.precision()
    np.testing.assert_array_equal(ours.eval["precision"], plain.eval["precision"])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_matching_is_the_greedy_one(data):
    """The reference is COCO's loops, written again here."""
    detections, people = data.draw(st.integers(0, 5)), data.draw(st.integers(0, 5))
    grid = st.sampled_from([0.0, 0.4, 0.5, 0.6, 0.75, 1.0])

    def draw(values, count):
        return np.array(data.draw(st.lists(values, min_size=count, max_size=count)))

    oks = draw(grid, detections * people).astype(float).reshape(detections, people)
    crowds, unlabelled = draw(st.booleans(), people).astype(bool), draw(st.booleans(), people).astype(bool)
    ignored = crowds | unlabelled
    thresholds = np.array([0.5, 0.75])
    expected = np.full((2, detections), -1)
    for row, threshold in enumerate(thresholds):
        taken = set()
        for detection in range(detections):
            for group in (~ignored, ignored):
                free = [p for p in np.flatnonzero(group) if p not in taken and oks[detection, p] >= threshold]
                if free:
                    best = max(free, key=lambda person: (oks[detection, person], person))
                    expected[row, detection] = best
                    if not crowds[best]:
                        taken.add(best)
                    break
    np.testing.assert_array_equal(match(oks, ignored, crowds, thresholds), expected)


def test_bad_input_is_named(tmp_path):
    path = write_annotations(tmp_path / "truth.json", {1: [A], 2: []})
    with pytest.raises(InputError, match=r"truth\.json.*id 7"):
        analyse(path, {1: [], 7: []}, SKELETON)
    with pytest.raises(InputError, match="image 1: keypoints: 51 numbers, but the skeleton has 14"):
        analyse(write_annotations(tmp_path / "empty.json", {1: []}), {1: [result(1, A, 1.0)]},
                load_skeleton("crowdpose"))  # fmt: skip
    with pytest.raises(InputError, match=r"truth\.json.*no image of the detections"):
        analyse(path, {2: []}, SKELETON)
