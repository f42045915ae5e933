"""The inspection reports everything that is wrong with a split and continues past it."""

import json
import shutil
from pathlib import Path

import pytest
from inspected import LARGE, SKELETON, annotations, change, data_module, kinds, person, write

from gog_pose.data.annotations import CocoKeypoints
from gog_pose.data.inspection.annotations import check_annotations
from gog_pose.data.inspection.findings import ERRORS, WARNINGS
from gog_pose.data.inspection.split import inspect_split
from gog_pose.errors import InputError


def inspect(root, split="train", **options):
    arguments = {"read_images": True, "limit": None, "previews": 0, **options}
    return inspect_split(data_module(root), split, sound_file=root / f"{split}_sound.json", **arguments)


@pytest.fixture
def root(tmp_path):
    write(tmp_path)
    return tmp_path


def test_a_sound_split_has_no_findings(root):
    report = inspect(root, previews=2)
    assert report.findings == []
    assert report.files_read == 3
    assert list(report.sheets) == ["train.png"]
    assert not (root / "train_sound.json").exists()


def entry(content, **fields):
    content["annotations"][0].update(fields)


def shift(content, index, value):
    content["annotations"][0]["keypoints"][index] = value


def reorder(content):
    names = content["categories"][0]["keypoints"]
    names[5], names[6] = names[6], names[5]


# What the reader refuses: an error, and the rest without it is what the reader takes.
REFUSED = {
    "image entry malformed": [
        lambda c: c["images"][0].pop("file_name"),
        lambda c: c["images"][0].update(height=0),
        lambda c: c["images"][0].update(height=20_000, width=20_000),
        lambda c: c["images"][0].update(crowdIndex="high"),
        lambda c: c["images"].append("an image"),
    ],
    "image id repeated": [lambda c: c["images"].append({**c["images"][0], "file_name": "2.jpg"})],
    "path leaves the folder": [
        lambda c: c["images"][0].update(file_name="../val/1.jpg"),
        lambda c: c["images"][0].update(file_name="/etc/hosts"),
    ],
    "image missing": [lambda c: c["images"][0].update(file_name="gone.jpg")],
    "annotation malformed": [lambda c: c["annotations"][0].pop("bbox"), lambda c: c["annotations"].append(7)],
    "image unknown": [lambda c: entry(c, image_id=77)],
    "box malformed": [lambda c: entry(c, bbox=[1, 2, 3]), lambda c: entry(c, bbox=[80, 70, -40, -40])],
    "numbers malformed": [
        lambda c: shift(c, 3, float("nan")),
        lambda c: shift(c, 4, float("inf")),
        lambda c: shift(c, 5, float("nan")),
        lambda c: shift(c, 0, "12"),
        lambda c: entry(c, keypoints={"nose": 1}),
        lambda c: entry(c, area=None),
        lambda c: entry(c, iscrowd="0"),
        lambda c: entry(c, num_keypoints="17"),
    ],
    "keypoint count wrong": [lambda c: c["annotations"][0]["keypoints"].pop()],
    "outline malformed": [
        lambda c: entry(c, iscrowd=1, segmentation=[[1, 2, 3]]),
        lambda c: entry(c, iscrowd=1, segmentation={"size": [5, 5], "counts": [25]}),
    ],
    "category absent": [
        lambda c: c.update(categories=[]),
        lambda c: c.update(categories=[{"name": "person"}]),
        lambda c: c["categories"].append({**c["categories"][0], "id": 2}),
    ],
    "annotations unreadable": [lambda c: c.pop("images"), lambda c: c.update(annotations=7)],
}


@pytest.mark.parametrize(
    ("kind", "edit"), [pytest.param(kind, edit, id=kind) for kind, edits in REFUSED.items() for edit in edits]
)
def test_what_the_reader_refuses_is_an_error(root, kind, edit):
    change(root, edit)
    with pytest.raises(InputError):
        CocoKeypoints(annotations(root), root / "train", 17)
    report = inspect(root)
    assert set(kinds(report)) - set(WARNINGS) == {kind}
    assert all("\n" not in finding.message for finding in report.findings)
    sound = root / "train_sound.json"
    if kind not in ("category absent", "annotations unreadable"):
        assert len(CocoKeypoints(sound, root / "train", 17).with_labelled_people()) >= 1
        assert report.statistics["images"] == len(json.loads(sound.read_text())["images"])


# What it takes, though it is wrong or doubtful.
TAKEN = {
    "category keypoints differ": [reorder, lambda c: c["categories"][0]["keypoints"].pop()],
    "category keypoint names": [lambda c: c["categories"][0]["keypoints"].__setitem__(0, "snout")],
    "category unknown": [lambda c: entry(c, category_id=9)],
    "image listed twice": [lambda c: c["images"][0].update(file_name="2.jpg")],
    "annotation id repeated": [lambda c: c["annotations"][0].update(id=2)],
    "box without area": [lambda c: entry(c, bbox=[40, 30, 0, 40])],
    "area not positive": [lambda c: entry(c, area=0)],
    "labelled but not counted": [lambda c: entry(c, num_keypoints=0)],
    "keypoint outside the image": [
        lambda c: (shift(c, 0, -1.5), entry(c, **LARGE)),
        lambda c: (shift(c, 1, 101.5), entry(c, **LARGE)),
    ],
    "visibility unusual": [lambda c: shift(c, 2, 3)],
    "num_keypoints differs": [lambda c: entry(c, num_keypoints=16)],
    "box outside the image": [lambda c: entry(c, bbox=[40, 30, 82, 40])],
    "box contradicts keypoints": [lambda c: entry(c, bbox=[0, 0, 30, 30], area=500)],
    "keypoint at the origin": [
        lambda c: (c["annotations"][0]["keypoints"].__setitem__(slice(2), [0, 0]), entry(c, **LARGE))
    ],
    "keypoints on one spot": [lambda c: c["annotations"][0]["keypoints"].__setitem__(slice(9), [50, 40, 2] * 3)],
    "labels copied": [lambda c: entry(c, keypoints=c["annotations"][1]["keypoints"])],
    "person listed twice": [lambda c: c["annotations"].append({**c["annotations"][0], "id": 9})],
    "crowd with keypoints": [lambda c: entry(c, iscrowd=1)],
    "outline not read": [lambda c: entry(c, segmentation=[[[1, 2], [3, 4]]]), lambda c: entry(c, segmentation=[1, 2])],
    "outline without area": [lambda c: entry(c, keypoints=None, num_keypoints=0, segmentation=[[]])],
    "keypoints in shares": [
        lambda c: entry(
            c, keypoints=[0.4, 0.5, 2] * 2 + [0.3, 0.6, 2] * 2 + [0.2, 0.1, 2] * 13, bbox=[0, 0, 1, 1], area=0.5
        )
    ],
    "area contradicts box": [lambda c: entry(c, area=1650), lambda c: entry(c, area=70)],
}


@pytest.mark.parametrize(
    ("kind", "edit"), [pytest.param(kind, edit, id=kind) for kind, edits in TAKEN.items() for edit in edits]
)
def test_what_the_reader_takes_though_it_is_wrong_is_found(root, kind, edit):
    change(root, edit)
    CocoKeypoints(annotations(root), root / "train", 17)
    assert set(kinds(inspect(root))) == {kind}


def test_doubts_begin_where_coco_ends(root):
    """Boxes of visible parts, rounding at borders, unlabelled keypoints and crowds are as they should be."""

    def edit(content):
        shift(content, 0, -0.9)  # within rounding
        shift(content, 7, 100.9)
        content["annotations"][1].update(
            bbox=[40, 30, 40, 27]
        )  # the last keypoint is 13 px below: less than half of 40
        content["annotations"][1]["area"] = 700
        content["annotations"][2].update(iscrowd=1, bbox=[0, 0, 10, 10], area=1, keypoints=[], num_keypoints=0)
        content["annotations"][0]["keypoints"][3:6] = [float("nan"), float("nan"), 0]
        content["annotations"][0].update(num_keypoints=16, bbox=[0, 30, 80, 71])
        content["annotations"][0]["area"] = 1000
        content["categories"][0]["keypoints"] = [name.upper().replace("_", " ") for name in SKELETON.keypoints]

    change(root, edit)
    assert inspect(root).findings == []


def test_other_categories_need_no_keypoints(root):
    change(root, lambda c: (c["categories"].append({"id": 2, "name": "dog"}), entry(c, category_id=2, keypoints=[1])))
    report = inspect(root)
    assert report.findings == []
    assert report.statistics["labelled_people"] == 2


def test_all_entries_of_a_kind_are_named(root):
    def edit(content):
        for place in range(3):
            content["annotations"][place].update(bbox=[1, 2, 3])
        content["images"][1].update(file_name="gone.jpg")

    change(root, edit)
    report = inspect(root)
    assert kinds(report) == {"box malformed": 3, "image missing": 1, "nobody labelled": 1}
    boxes = [finding for finding in report.findings if finding.kind == "box malformed"]
    assert [(finding.annotation_id, finding.image_id) for finding in boxes] == [(1, 1), (2, 2), (3, 3)]
    assert "annotations[2].bbox" in boxes[2].message
    assert report.statistics["images"] == 0
    assert report.sheets == {}


def test_an_image_goes_with_all_its_people_so_that_nobody_is_taught_as_background(tmp_path):
    broken = person(2, keypoints=[1.0])
    write(tmp_path, people=[person(1), person(2), broken, person(3), person(77), person(3, num_keypoints=0)])
    report = inspect(tmp_path)
    assert kinds(report) == {
        "keypoint count wrong": 1, "image unknown": 1, "labelled but not counted": 1, "person listed twice": 1,
    }  # fmt: skip
    sound = json.loads((tmp_path / "train_sound.json").read_text())
    assert [image["id"] for image in sound["images"]] == [1, 3]
    assert [one["id"] for one in sound["annotations"]] == [1, 4, 6]
    assert report.statistics["labelled_people"] == 3


def test_a_missing_file_that_has_another_suffix_is_named(root):
    (root / "train" / "1.jpg").rename(root / "train" / "1.JPEG")
    (finding,) = inspect(root).findings
    assert finding.kind == "image missing"
    assert "there is 1.JPEG" in finding.message


def test_missing_folders_and_files_are_findings(root):
    assert kinds(inspect(root, "val")) == {"annotations unreadable": 1, "image folder missing": 1}
    shutil.rmtree(root / "train")
    report = inspect(root, previews=2)
    assert kinds(report) == {"image folder missing": 1}
    assert report.statistics["labelled_people"] == 3
    assert inspect(root, read_images=False).findings == []


def test_images_with_errors_are_left_out_and_the_rest_is_shown(root):
    (root / "train" / "2.jpg").write_bytes(b"no image")
    report = inspect(root, previews=4)
    assert kinds(report) == {"image corrupt": 1}
    assert report.statistics["images"] == 2
    assert report.sheets["train.png"].shape[1] > 6 * 360
    sound = CocoKeypoints(root / "train_sound.json", root / "train", 17)
    assert sound.image_ids.tolist() == [1, 3]


def test_only_files_up_to_the_limit_are_read_and_shown(root):
    for image_id in (2, 3):
        (root / "train" / f"{image_id}.jpg").write_bytes(b"no image")
    change(root, lambda c: c["images"].reverse())  # the first by id is meant
    change(root, lambda c: c["annotations"][2].update(area=0))
    report = inspect(root, limit=1, previews=4)
    assert kinds(report) == {"area not positive": 1}
    assert report.files_read == 1
    assert "train.png" in report.sheets


def test_some_pictures_show_what_is_ignored(tmp_path):
    people = [person(image_id) for image_id in (1, 2, 3)]
    write(tmp_path, people=[*people, person(2, iscrowd=1, xy=(20, 20), size=30)])
    assert list(inspect(tmp_path, previews=2).sheets) == ["train.png", "train_ignored.png"]


def test_kinds_are_told_apart():
    assert not set(ERRORS) & set(WARNINGS)


def test_real_annotations_are_sound_but_for_people_listed_twice(real_data):
    path = Path(real_data, "annotations/person_keypoints_val2017_full.json")
    checked = check_annotations(path, real_data / "val", SKELETON)
    twice = [finding.image_id for finding in checked.findings]
    assert {finding.kind for finding in checked.findings} == {"person listed twice"}
    assert {84674, 263969, 361586} <= set(twice)
    assert len(twice) < 40
    assert len(checked.images) == 2693
