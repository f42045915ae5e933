"""Flip pairs by name, limbs that are known or chosen, OKS sigmas by name or equal; splits."""

import json

import pytest
from exported import COCO, imported_people, make_scene, write_roboflow, write_yolo
from hypothesis import given
from hypothesis import strategies as st

from gog_pose.data.importing.known import MPII_KEYPOINTS, in_known_order, known_limbs
from gog_pose.data.importing.mirroring import pairs_by_name
from gog_pose.data.importing.record import Import, Person, Picture
from gog_pose.data.importing.run import import_data
from gog_pose.data.importing.skeletons import make_skeleton


@pytest.mark.parametrize(
    "names",
    [
        ("left_eye", "right_eye"), ("eye_left", "eye_right"), ("leftEye", "rightEye"), ("LeftEye", "RightEye"),
        ("L_eye", "R_eye"), ("eye-l", "eye-r"), ("LEye", "REye"), ("leye", "reye"), ("Left Eye", "right eye"),
        ("eye.L", "eye.R"), ("EyeL", "EyeR"), ("front_left_paw", "front_right_paw"), ("l1", "r1"), ("LEFT", "RIGHT"),
    ],
)  # fmt: skip
def test_usual_spellings_of_left_and_right_are_pairs(names):
    assert pairs_by_name(names) == [(0, 1)]
    assert pairs_by_name(["nose", *names[::-1], "tail"]) == [(1, 2)]


@pytest.mark.parametrize("names", [("left_eye", "right_ear"), ("nose", "tail"), ("tail", "tair_x"), ("eye", "eye2")])
def test_other_names_are_no_pairs(names):
    assert pairs_by_name(names) == []


def test_pairs_of_coco_and_mpii_are_found():
    assert tuple(pairs_by_name(COCO.keypoints)) == COCO.flip_pairs
    assert len(pairs_by_name(MPII_KEYPOINTS)) == 6


@given(st.lists(st.text("lrefighta_", min_size=1, max_size=8), unique=True, max_size=12))
def test_pairs_never_share_a_keypoint(names):
    ends = [end for pair in pairs_by_name(names) for end in pair]
    assert len(ends) == len(set(ends))


def test_limbs_of_known_keypoints_do_not_depend_on_spelling_and_order():
    names = [name.replace("_", " ").upper() for name in COCO.keypoints]
    title, limbs = known_limbs(names[::-1])
    assert title == "COCO's"
    assert {tuple(end.lower().replace(" ", "_") for end in limb) for limb in limbs} == {
        (COCO.keypoints[start], COCO.keypoints[end]) for start, end in COCO.limbs
    }
    assert in_known_order(names[::-1]) == tuple(names)


def chain(points, names):
    person = Person("1", {name: (x, y, 2) for name, (x, y) in zip(names, points, strict=True)}, (0, 0, 100, 100))
    return Import("x", [Picture(None, "a", None, [person], False)], tuple(names))


def test_unknown_keypoints_get_the_shortest_tree():
    found = chain([(0, 0), (10, 0), (20, 0), (20, 15)], ["a", "b", "c", "d"])
    skeleton, said = make_skeleton(found, "chain")
    assert set(skeleton.limbs) == {(0, 1), (1, 2), (2, 3)}
    assert "minimum spanning tree" in said["limbs"]
    assert skeleton.oks_sigmas == (skeleton.oks_sigmas[0],) * 4
    assert said["oks_sigmas"].startswith("equal")


def test_a_tree_is_closed_under_mirroring():
    names = ["tail", "left_wing", "right_wing", "beak"]
    found = chain([(0, 0), (10, 0), (-60, 0), (0, 30)], names)
    skeleton, _ = make_skeleton(found, "bird")  # which checks it
    assert skeleton.flip_pairs == ((1, 2),)
    assert {(0, 1), (0, 2)} <= set(skeleton.limbs)


def test_given_limbs_get_their_missing_mirror_images():
    found = chain([(0, 0), (10, 0), (-10, 0)], ["nose", "left_eye", "right_eye"])
    found.limbs = [("nose", "left_eye")]
    skeleton, said = make_skeleton(found, "face")
    assert skeleton.limbs == ((0, 1), (0, 2))
    assert "nose-right_eye" in said["limbs"]
    assert skeleton.oks_sigmas == COCO.oks_sigmas[:3]


def test_sigmas_are_those_of_the_part_of_the_body_in_usual_spellings_of_the_side():
    names = ["Hips", "RHip", "LHip", "rKnee", "ankle_l", "ShoulderRight", "left_ear", "Nose", "LHand", "tail_r"]
    skeleton, said = make_skeleton(chain([(10 * place, 0) for place in range(len(names))], names), "mocap")
    coco = dict(zip(COCO.keypoints, COCO.oks_sigmas, strict=True))
    parts = {"RHip": "hip", "LHip": "hip", "rKnee": "knee", "ankle_l": "ankle", "ShoulderRight": "shoulder"}
    expected = {name: coco[f"left_{part}"] for name, part in parts.items()}
    expected |= {"left_ear": coco["left_ear"], "Nose": coco["nose"]}
    sigmas = dict(zip(skeleton.keypoints, skeleton.oks_sigmas, strict=True))
    assert {name: sigmas[name] for name in expected} == expected
    assert {sigmas[name] for name in ("Hips", "LHand", "tail_r")} == {sigmas["Hips"]}
    assert "Hips, LHand, tail_r;" in said["oks_sigmas"]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=8))
def test_a_tree_joins_all_keypoints(points):
    names = [f"point {index}" for index in range(len(points))]
    skeleton, _ = make_skeleton(chain(points, names), "any")
    assert skeleton.num_limbs == len(points) - 1
    reached = {0}
    for _ in points:
        reached |= {end for limb in skeleton.limbs for end in limb if set(limb) & reached}
    assert reached == set(range(len(points)))


def test_given_splits_are_kept(tmp_path):
    write_roboflow(tmp_path / "in", make_scene(), splits=("train", "valid", "test"))
    report = import_data(tmp_path / "in", tmp_path / "out", name="people")
    assert {split: own["images"] for split, own in report["counts"].items()} == {"train": 3, "val": 3, "test": 3}
    assert not any(note.startswith("splits") for note in report["notes"])


@pytest.mark.parametrize(("share", "expected"), [(0.1, 1), (0.26, 3), (0.99, 9), (1, 9), (0, 0)])
def test_a_source_without_val_is_divided_by_the_names_alone(tmp_path, share, expected):
    scene = make_scene(images=10)
    write_roboflow(tmp_path / "in", scene, splits=("train",))
    report = import_data(tmp_path / "in", tmp_path / "out", name="people", val_share=share)
    numbers = {split: own["images"] for split, own in report["counts"].items()}
    assert numbers == ({"train": 10 - expected, "val": expected} if expected else {"train": 10})
    file = tmp_path / "in/train/_annotations.coco.json"
    content = json.loads(file.read_text())
    content["images"].reverse()
    file.write_text(json.dumps(content))
    import_data(tmp_path / "in", tmp_path / "again", name="people", val_share=share)
    for split in numbers:
        assert set(imported_people(tmp_path / "out", split)) == set(imported_people(tmp_path / "again", split))


def test_yolo_without_names_is_numbered_unless_its_flip_idx_is_that_of_coco(tmp_path):
    write_yolo(tmp_path / "in", make_scene(), names=False)
    report = import_data(tmp_path / "in", tmp_path / "out", name="people")
    assert set(next(iter(imported_people(tmp_path / "out", "val").values()))[0].points) == set(COCO.keypoints)
    assert any("taken as COCO's" in note for note in report["notes"])
    write_yolo(tmp_path / "few", make_scene(COCO.keypoints[:5]), names=False)
    report = import_data(tmp_path / "few", tmp_path / "out2", name="people")
    first = next(iter(imported_people(tmp_path / "out2", "val").values()))[0]
    assert list(first.points) == [f"keypoint_{number}" for number in range(1, 6)]
    assert report["skeleton"]["flip_pairs"] == "given by the source"


def test_roboflows_paths_of_yolo_lead_into_the_folder(tmp_path):
    write_yolo(tmp_path / "in", make_scene())
    data = tmp_path / "in/data.yaml"
    data.write_text(data.read_text().replace(": images/", ": ../images/").replace("path: .\n", ""))
    report = import_data(tmp_path / "in", tmp_path / "out", name="people")
    assert {split: own["images"] for split, own in report["counts"].items()} == {"train": 3, "val": 3}
