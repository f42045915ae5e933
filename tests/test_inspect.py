"""gog-inspect names everything that is wrong with a data set, goes on past it, and shows what is taught."""

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from gog_pose.cli.inspect import check
from gog_pose.data.augmentation import Augmentation
from gog_pose.data.coco import CocoKeypoints
from gog_pose.data.datamodule import PoseDataModule
from gog_pose.data.inspection import preview
from gog_pose.data.inspection.annotations import check_annotations
from gog_pose.data.inspection.files import ImageJob, check_file
from gog_pose.data.inspection.findings import ERRORS, WARNINGS
from gog_pose.data.inspection.split import inspect_split
from gog_pose.data.inspection.statistics import QUANTILES, summarise_split
from gog_pose.data.sampler import CropDraw
from gog_pose.drawing import draw_ignored, draw_taught_offsets, keypoint_colours
from gog_pose.encoding import PoseEncoder
from gog_pose.errors import InputError
from gog_pose.preprocessing import Preprocessing
from gog_pose.skeleton import Skeleton, load_skeleton

SKELETON = load_skeleton("coco_19")
WIDTH, HEIGHT = 120, 100


def person(image_id=1, xy=(60.0, 50.0), size=40.0, **fields):
    """A person whose 17 keypoints lie on a diagonal of a box of that size around ``xy``."""
    keypoints = [
        value for step in np.linspace(-0.5, 0.5, 17) for value in (xy[0] + step * size, xy[1] + step * size, 2)
    ]
    return {
        "image_id": image_id, "category_id": 1, "bbox": [xy[0] - size / 2, xy[1] - size / 2, size, size],
        "area": size * size / 2, "iscrowd": 0, "num_keypoints": 17, "keypoints": keypoints, **fields,
    }  # fmt: skip


def write(root, split="train", people=None, num_images=3):
    """Write a sound split: grey images, a person on each unless others are given."""
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    (root / split).mkdir(exist_ok=True)
    for image_id in range(1, num_images + 1):
        Image.new("RGB", (WIDTH, HEIGHT), (128, 128, 128)).save(root / split / f"{image_id}.jpg")
    people = [person(image_id) for image_id in range(1, num_images + 1)] if people is None else people
    content = {
        "images": [
            {"id": image_id, "file_name": f"{image_id}.jpg", "height": HEIGHT, "width": WIDTH}
            for image_id in range(1, num_images + 1)
        ],
        "annotations": [{"id": place, **entry} for place, entry in enumerate(people, start=1)],
        "categories": [{"id": 1, "name": "person", "keypoints": list(SKELETON.keypoints)}],
    }
    annotations(root, split).write_text(json.dumps(content))


def annotations(root, split="train"):
    return root / "annotations" / f"person_keypoints_{split}.json"


def change(root, edit, split="train"):
    content = json.loads(annotations(root, split).read_text())
    edit(content)
    annotations(root, split).write_text(json.dumps(content))


def data_module(root, **options):
    return PoseDataModule(
        root=str(root),
        **{
            "encoder": PoseEncoder(SKELETON),
            "augmentation": Augmentation(crop_size=(64, 64), translation=5.0),
            "preprocessing": Preprocessing(long_side=64),
            "multiple": 32,
            **options,
        },
    )


def inspect(root, split="train", **options):
    arguments = {"read_images": True, "limit": None, "previews": 0, "map_files": map, **options}
    return inspect_split(data_module(root), split, sound_file=root / f"{split}_sound.json", **arguments)


def kinds(report):
    return Counter(finding.kind for finding in report.findings)


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
    "box malformed": [lambda c: entry(c, bbox=[1, 2, 3]), lambda c: entry(c, bbox=[1, 2, 3, float("nan")])],
    "numbers malformed": [
        lambda c: shift(c, 3, float("nan")),
        lambda c: shift(c, 4, float("inf")),
        lambda c: shift(c, 5, float("nan")),
        lambda c: shift(c, 0, "12"),
        lambda c: entry(c, keypoints={"nose": 1}),
        lambda c: entry(c, area=None),
    ],
    "keypoint count wrong": [lambda c: c["annotations"][0]["keypoints"].pop()],
    "outline malformed": [
        lambda c: entry(c, iscrowd=1, segmentation=[[1, 2, 3]]),
        lambda c: entry(c, iscrowd=1, segmentation={"size": [5, 5], "counts": [25]}),
    ],
    "category absent": [
        lambda c: c.update(categories=[]),
        lambda c: c.update(categories=[{"name": "person"}]),
        lambda c: c["categories"].append({"id": 2, "name": "person"}),
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


LARGE = {"bbox": [0, 0, WIDTH, HEIGHT], "area": 6000}

# What it takes, though it is wrong or doubtful.
TAKEN = {
    "category keypoints differ": [reorder, lambda c: c["categories"][0]["keypoints"].pop()],
    "category keypoint names": [lambda c: c["categories"][0]["keypoints"].__setitem__(0, "snout")],
    "category unknown": [lambda c: entry(c, category_id=9)],
    "image listed twice": [lambda c: c["images"][0].update(file_name="2.jpg")],
    "annotation id repeated": [lambda c: c["annotations"][0].update(id=2)],
    "box without area": [lambda c: entry(c, bbox=[40, 30, 0, 40]), lambda c: entry(c, bbox=[80, 70, -40, -40])],
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
        content["annotations"][2].update(iscrowd=1, bbox=[0, 0, 10, 10], area=1)
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
    assert kinds(report) == {"keypoint count wrong": 1, "image unknown": 1, "labelled but not counted": 1}
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


def saved(folder, name="image.jpg", image=None, **options):
    path = folder / name
    (image or Image.new("RGB", (WIDTH, HEIGHT), (90, 120, 30))).save(path, **options)
    return path


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def cut(folder):
    path = saved(folder)
    path.write_bytes(path.read_bytes()[:-200])
    return path


def replaced(folder, content):
    path = folder / "image.jpg"
    path.write_bytes(content)
    return path


def wide(folder, name, channels):
    path = folder / name
    assert cv2.imwrite(str(path), np.full((HEIGHT, WIDTH, channels), 40000, np.uint16).squeeze())
    return path


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (saved, {}),
        (lambda f: saved(f, "image.png"), {}),
        (lambda f: saved(f, "image.jpg", format="MPO", save_all=True, append_images=[Image.new("RGB", (9, 9))]), {}),
        (cut, {"image corrupt": "damaged"}),
        (lambda f: replaced(f, b""), {"image corrupt": "empty"}),
        (lambda f: replaced(f, b"<html>404</html>"), {"image corrupt": "not an image"}),
        (lambda f: saved(f, "image.tif", Image.new("F", (WIDTH, HEIGHT))), {"image corrupt": "floating-point"}),
        (lambda f: saved(f, "image.jpg", format="PNG"), {"image misnamed": "holds PNG"}),
        (lambda f: saved(f, "image", format="PNG"), {"image misnamed": "holds PNG"}),
        (lambda f: saved(f, exif=exif(3)), {"EXIF rotation": "orientation 3"}),
        (
            lambda f: saved(f, "image.jpg", Image.new("RGB", (HEIGHT, WIDTH)), exif=exif(6)),
            {"EXIF rotation": "orientation 6", "image size differs": "as its EXIF tag turns it"},
        ),
        (lambda f: saved(f, "image.png", exif=exif(1)), {}),
        (lambda f: saved(f, "image.jpg", Image.new("CMYK", (WIDTH, HEIGHT))), {"CMYK": "print"}),
        (lambda f: wide(f, "image.png", 1), {"16 bits": "16 bits"}),
        (lambda f: wide(f, "image.png", 3), {"16 bits": "16 bits"}),
        (lambda f: wide(f, "image.tif", 3), {"16 bits": "16 bits"}),
        (
            lambda f: saved(f, "image.jpg", Image.new("RGB", (WIDTH, 99))),
            {"image size differs": "is 120x99 px, but .* says 120x100"},
        ),
    ],
)  # fmt: skip
def test_image_files(tmp_path, make, expected):
    path = make(tmp_path)
    findings = check_file(ImageJob(5, path, (HEIGHT, WIDTH), tmp_path / "people.json"))
    assert sorted(finding.kind for finding in findings) == sorted(expected)
    for finding in findings:
        assert finding.image_id == 5
        assert str(path) in finding.message
        assert re.search(expected[finding.kind], finding.message)


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


def test_statistics(tmp_path):
    people = [
        person(1, xy=(30, 50), size=40),
        person(1, xy=(50, 50), size=40, keypoints=[0, 0, 0] * 14 + [50, 50, 1] * 3, num_keypoints=3),
        person(2, size=20),
        person(2, size=60, iscrowd=1),
        person(2, keypoints=[0] * 51, num_keypoints=0),
    ]
    write(tmp_path, people=people)
    statistics = summarise_split(CocoKeypoints(annotations(tmp_path), None, 17), SKELETON, long_side=240)
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


def test_pictures_show_the_very_samples_of_training_and_validation(root, monkeypatch):
    """The images, people and targets that are drawn are those that the loaders of the data module yield."""
    write(root, "val")
    drawn, people = [], []

    def keep(image, offsets, weights, skeleton, stride):
        drawn.append((image, offsets, weights))
        return image

    def keep_people(image, keypoints, skeleton):
        people.append(keypoints)
        return image

    monkeypatch.setattr(preview, "draw_taught_offsets", keep)
    monkeypatch.setattr(preview, "draw_ground_truth", keep_people)
    data = data_module(root, encode_on="worker", seed=3)
    data.setup("fit")
    for split, sheet, load in (
        ("train", preview.training_sheet, lambda item: data.train_set[CropDraw(epoch=0, item=item)]),
        ("val", preview.validation_sheet, lambda item: data.val_set[item]),
    ):
        drawn.clear()
        people.clear()
        sheet(data, CocoKeypoints(annotations(root, split), root / split, 17), [0, 2])
        for item, keypoints, (image, offsets, weights) in zip((0, 2), people, drawn, strict=True):
            sample = load(item)
            encoded = data.encoder(keypoints, np.ones(len(keypoints)), image.shape[:2])
            assert torch.equal(encoded.heatmaps, sample.targets.heatmaps)
            expected = sample.images if split == "train" else sample.image
            assert np.array_equal(image, data.preprocessing.to_image(expected))
            assert torch.equal(torch.from_numpy(offsets), sample.targets.offsets)
            assert torch.equal(torch.from_numpy(weights), sample.targets.offset_weights)


def test_pictures_are_spread_and_some_show_what_is_ignored(tmp_path):
    people = [person(image_id) for image_id in range(1, 8)] + [
        person(image_id, iscrowd=1, xy=(20, 20), size=30) for image_id in (2, 5)
    ]
    write(tmp_path, people=people, num_images=8)
    images = CocoKeypoints(annotations(tmp_path), tmp_path / "train", 17)
    everything = np.ones(8, dtype=bool)
    assert preview.choose(images, 3, everything, with_ignored=False) == [0, 3, 6]
    assert preview.choose(images, 3, everything, with_ignored=True) == [1, 4]
    assert preview.choose(images, 3, np.arange(8) < 2, with_ignored=False) == [0, 1]
    report = inspect(tmp_path, previews=2)
    assert list(report.sheets) == ["train.png", "train_ignored.png"]


def test_taught_offsets_are_lines_from_their_cells_to_where_they_lead():
    skeleton = Skeleton("line", ["start", "left", "right"], [[0, 1], [0, 2]], [[1, 2]], [0.1] * 3)
    encoder = PoseEncoder(skeleton, stride=4, support=1)
    people = np.array([[[21.5, 21.5, 2], [85.5, 21.5, 2], [0, 0, 0]]], dtype=np.float32)
    targets = encoder(people, np.array([60.0]), (96, 96))
    shape = np.zeros((96, 96, 3), np.uint8)
    for cell, on_the_grid in ((5, False), (6, True)):
        moved = people.copy()
        moved[0, 0, :2] = 4 * cell + 1.5
        targets = encoder(moved, np.array([60.0]), (96, 96))
        picture = draw_taught_offsets(
            shape, targets.offsets.numpy(), targets.offset_weights.numpy(), skeleton, encoder.stride
        )
        assert picture.any() == on_the_grid  # every second cell is drawn
    lit = np.argwhere(picture.any(axis=2))
    assert lit[:, 1].min() in (24, 25)
    assert lit[:, 1].max() >= 85
    tip = picture[20:24, 84:88].reshape(-1, 3)
    brightest = tip[tip.sum(axis=1).argmax()]
    np.testing.assert_allclose(brightest / brightest.max(), np.array(keypoint_colours(skeleton)[1]) / 255, atol=0.03)


def test_ignored_parts_are_striped_and_nothing_else():
    image = np.full((64, 96, 3), 200, np.uint8)
    mask = np.ones((16, 24), np.float32)
    assert np.array_equal(draw_ignored(image, mask), image)
    mask[4:8, 6:12] = 0
    changed = (draw_ignored(image, mask) != image).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (16, 31, 24, 47)
    assert 0.3 < changed[16:32, 24:48].mean() < 0.8


def run(*overrides, cwd):
    command = [sys.executable, "-m", "gog_pose.cli.inspect", "data=folder", *overrides, "hydra.run.dir=run"]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


SMALL = ("augmentation=small", "preprocessing.long_side=128", "previews=2")


def test_command_prints_and_writes_everything_and_ends_with_1_on_errors(root):
    write(root, "val")
    (root / "train" / "2.jpg").write_bytes(b"")
    change(
        root, lambda c: [one.update(LARGE) or one["keypoints"].__setitem__(0, -9) for one in c["annotations"]], "val"
    )
    change(root, lambda c: c["annotations"].extend({**c["annotations"][0], "id": n} for n in (8, 9)), "val")
    process = run("data.root=.", *SMALL, "output=out", "results=out/all.json", "workers=2", cwd=root)
    assert process.returncode == 1, process.stderr
    record = json.loads((root / "out" / "all.json").read_text())
    assert (record["errors"], record["warnings"]) == (1, 5)
    assert record["files_read"] == {"train": 3, "val": 3}
    assert record["statistics"]["train"]["labelled_people"] == 2
    first = record["findings"][0]
    assert (first["split"], first["severity"], first["kind"], first["image_id"]) == (
        "train",
        "error",
        "image corrupt",
        2,
    )
    assert {finding["annotation_id"] for finding in record["findings"][1:]} == {1, 2, 3, 8, 9}
    assert record["settings"]["skeleton"] == "coco_19"
    for name in ("train.png", "val.png"):
        assert name in record["pictures"]
        assert min(Image.open(root / "out" / name).size) > 100
    assert (root / "out" / "train_sound.json").is_file()
    assert "2.jpg: the file is empty" in process.stdout
    assert "annotations[0].keypoints: 1 outside the image of 120x100 px: nose [-9, 30]" in process.stdout
    assert "and 2 more" in process.stdout
    assert "left_shoulder" in process.stdout


def test_command_ends_with_0_on_warnings_and_looks_at_what_it_is_told(root):
    shutil.rmtree(root / "train")
    change(root, lambda c: entry(c, num_keypoints=3))
    process = run("data.root=.", "split=train", "images=false", "results=run/all.json", cwd=root)
    assert process.returncode == 0, process.stderr
    record = json.loads((root / "run" / "all.json").read_text())
    assert (record["errors"], record["warnings"], record["pictures"]) == (0, 1, [])
    assert list(record["statistics"]) == ["train"]


@pytest.mark.parametrize(
    ("overrides", "words"), [((), "data.root"), (("data.root=absent",), "data.root: absent is no folder")]
)
def test_mistakes_are_told_in_one_line_with_code_2(root, overrides, words):
    process = run(*overrides, cwd=root)
    assert process.returncode == 2
    assert words in process.stderr.splitlines()[-1]
    assert "Traceback" not in process.stderr


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"split": "test"}, "split: must be train, val"),
        ({"limit": 0}, "limit: must be 1"),
        ({"previews": -1}, "previews: must be 0"),
        ({"workers": "two"}, "workers"),
    ],
)
def test_senseless_options_are_refused(tmp_path, option, words):
    options = {"split": None, "limit": None, "previews": 12, "workers": None, "data": {"root": str(tmp_path)}}
    check(options)
    with pytest.raises(InputError, match=words):
        check({**options, **option})


def test_kinds_are_told_apart():
    assert not set(ERRORS) & set(WARNINGS)


def test_real_annotations_are_sound(real_data):
    path = Path(real_data, "annotations/person_keypoints_val2017_full.json")
    checked = check_annotations(path, real_data / "val", SKELETON)
    assert checked.findings == []
    assert len(checked.images) == 2693
