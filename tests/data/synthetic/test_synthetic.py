"""Synthetic people: labels agree with pixels, every branch of COCO occurs, bytes follow from the seed."""

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stdout

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

import gog_pose.data.synthetic.dataset as dataset
from gog_pose.data.synthetic import render_scene, synthesize
from gog_pose.data.synthetic.appearance import Appearance
from gog_pose.data.synthetic.body import Proportions, pose
from gog_pose.data.synthetic.canvas import Canvas, capsule
from gog_pose.data.synthetic.chance import pick
from gog_pose.data.synthetic.labels import crowd_annotation, outlines, person_annotation, run_lengths
from gog_pose.data.synthetic.person import PART_BITS, Person, part_id
from gog_pose.errors import InputError
from gog_pose.skeleton import load_skeleton

SMALL = {"image_size": (128, 160), "height_range": (60.0, 120.0)}
NAMES = load_skeleton("coco_19").keypoints


@pytest.fixture(scope="module")
def scenes():
    return [render_scene(seed, **SMALL) for seed in range(60)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    output = tmp_path_factory.mktemp("synthetic") / "set"
    synthesize(output, num_train=36, num_val=6, seed=3, **SMALL)
    return output


def load(path):
    with redirect_stdout(io.StringIO()):
        return COCO(str(path))


def read_all(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def mask_of(annotation, size):
    segmentation = annotation["segmentation"]
    if isinstance(segmentation, list):
        segmentation = coco_mask.merge(coco_mask.frPyObjects(segmentation, *size))
    elif isinstance(segmentation["counts"], list):
        segmentation = coco_mask.frPyObjects(segmentation, *size)
    return coco_mask.decode(segmentation).astype(bool)


def test_scene_is_an_rgb_image_with_contrast(scenes):
    for scene in scenes:
        assert scene.image.shape == (128, 160, 3)
        assert scene.image.dtype == np.uint8
        assert scene.image.std() > 5


def test_keypoints_lie_in_the_image_and_unlabelled_ones_are_zero(scenes):
    for annotation in (a for scene in scenes for a in scene.annotations):
        keypoints = np.array(annotation["keypoints"]).reshape(len(NAMES), 3)
        labelled = keypoints[:, 2] > 0
        assert set(keypoints[:, 2]) <= {0, 1, 2}
        assert (keypoints[~labelled] == 0).all()
        assert (keypoints[labelled, :2] >= 0).all()
        assert (keypoints[labelled, :2] <= [159, 127]).all()
        assert annotation["num_keypoints"] == labelled.sum()


def test_seen_keypoints_lie_on_their_own_person(scenes):
    seen = 0
    for scene in scenes:
        for annotation in scene.annotations:
            keypoints = np.array(annotation["keypoints"]).reshape(-1, 3)
            if not annotation["num_keypoints"]:
                continue
            away = cv2.distanceTransform((~mask_of(annotation, (128, 160))).astype(np.uint8), cv2.DIST_L2, 5)
            for x, y, visibility in keypoints:
                if visibility == 2:
                    assert away[round(y), round(x)] <= 3
                    seen += 1
    assert seen > 500


def test_area_and_box_belong_to_the_segmentation(scenes):
    for annotation in (a for scene in scenes for a in scene.annotations):
        mask = mask_of(annotation, (128, 160))
        x, y, w, h = annotation["bbox"]
        assert 0 <= x < x + w <= 160
        assert 0 <= y < y + h <= 128
        assert 0 < annotation["area"] <= w * h
        # Polygons fill holes and drop specks; run lengths are exact.
        exact = isinstance(annotation["segmentation"], dict)
        tolerance = 0 if exact else 0.25 * annotation["area"] + 12
        assert abs(int(mask.sum()) - annotation["area"]) <= tolerance


def test_every_branch_of_a_reader_meets_a_case(scenes):
    annotations = [a for scene in scenes for a in scene.annotations]
    people = [a for a in annotations if not a["iscrowd"]]
    assert any(a["iscrowd"] for a in annotations)
    assert all(a["num_keypoints"] == 0 for a in annotations if a["iscrowd"])
    assert any(a["num_keypoints"] == 0 for a in people)
    flags = np.concatenate([a["keypoints"][2::3] for a in people if a["num_keypoints"]])
    assert all((flags == flag).mean() > 0.02 for flag in (0, 1, 2))
    assert max(len(scene.annotations) for scene in scenes) >= 5
    rng = np.random.default_rng(0)
    kinds = {type(crowd_annotation(rng, np.eye(40, dtype=bool)).get("segmentation")) for _ in range(20)}
    assert kinds == {list, dict}


@settings(max_examples=60, deadline=None)
@given(arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_run_lengths_are_those_of_coco(mask):
    encoded = coco_mask.frPyObjects({"size": list(mask.shape), "counts": run_lengths(mask)}, *mask.shape)
    np.testing.assert_array_equal(coco_mask.decode(encoded).astype(bool), mask)
    assert encoded["counts"] == coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))["counts"]


@pytest.mark.parametrize("shift", [0, 3, 7])
def test_outlines_reproduce_a_mask(shift):
    mask = np.zeros((60, 80), dtype=np.uint8)
    cv2.ellipse(mask, (30 + shift, 25), (20, 9 + shift), 30, 0, 360, 1, -1)
    cv2.rectangle(mask, (70, 50), (79, 59), 1, -1)
    back = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(outlines(mask.astype(bool)), 60, 80)))
    assert (back & mask).sum() / (back | mask).sum() > 0.97
    np.testing.assert_array_equal(back[50:60, 70:80], 1)


def people(facing, count=40):
    """Yield upright people seen from the front (facing = 1) or from behind (-1)."""
    rng = np.random.default_rng(11)
    found = 0
    while found < count:
        body = pose(rng, Proportions.sample(rng))
        upright = body.view[1, 1] > 0.85
        if upright and facing * body.view[2, 2] > 0.7 and facing * body.chest[2, 2] > 0.7:
            found += 1
            yield Person(
                body, Appearance.sample(rng, seated=body.seated, protectors=True), 100.0, np.array([80.0, 60.0])
            )


@pytest.mark.parametrize("facing", [1, -1])
def test_left_is_the_persons_own_left(facing):
    for person in people(facing):
        keypoints = person.keypoints()
        for joint in ("shoulder", "hip"):
            assert facing * (keypoints[f"left_{joint}"].xy[0] - keypoints[f"right_{joint}"].xy[0]) > 0


def test_nobody_guesses_keypoints_far_from_what_is_seen():
    """Of people who are covered but for the head; in COCO none is farther out than half the longer side of the box."""
    guessed = 0
    for seed, person in enumerate(people(1)):
        canvas = Canvas(np.zeros((160, 160, 3)), np.zeros(2))
        person.draw(canvas, 0)
        head = canvas.ids == part_id(0, "head")
        ids = np.where(head, canvas.ids, 0)
        label = person_annotation(np.random.default_rng(seed), ids, person, 0, head, with_keypoints=True)
        x, y, width, height = label["bbox"]
        keypoints = np.array(label["keypoints"]).reshape(-1, 3)
        labelled = keypoints[keypoints[:, 2] > 0, :2]
        outside = np.maximum((x, y) - labelled, labelled - (x + width, y + height)).max(axis=1)
        assert outside.max() <= 0.5 * max(width, height) + 0.01  # rounded to hundredths
        guessed += (outside > 0.06 * 100 + 1).sum()
    assert guessed > 0


def test_a_face_turned_away_is_unlabelled_and_ears_stay():
    ears = 0
    for person in people(-1):
        if person.body.head[2, 2] > -0.8:
            continue
        keypoints = person.keypoints()
        for name in ("nose", "left_eye", "right_eye"):
            assert keypoints[name].state == "absent"
        ears += sum(keypoints[f"{side}_ear"].state == "seen" for side in ("left", "right"))
    assert ears > 10


def test_a_face_turned_to_the_viewer_is_on_the_head():
    seen = 0
    for person in people(1):
        if person.body.head[2, 2] < 0.8:
            continue
        canvas = Canvas(np.zeros((160, 160, 3)), np.zeros(2))
        person.draw(canvas, 0)
        keypoints = person.keypoints()
        for name in ("nose", "left_eye", "right_eye"):
            assert keypoints[name].state == "seen"
            x, y = np.round(keypoints[name].xy).astype(int)
            seen += canvas.ids[y, x] == part_id(0, "head")
    assert seen > 40


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_joints_bend_like_joints(seed):
    rng = np.random.default_rng(seed)
    body = pose(rng, Proportions.sample(rng))
    size, at = body.proportions, body.points
    for side in ("left", "right"):
        for start, end, length in (
            ("shoulder", "elbow", size.upper_arm),
            ("elbow", "wrist", size.forearm),
            ("hip", "knee", size.thigh),
            ("knee", "ankle", size.shin),
        ):
            assert np.linalg.norm(at[f"{side}_{start}"] - at[f"{side}_{end}"]) == pytest.approx(length)
        # A knee bends backwards only: the shin never points further to the front than the thigh.
        thigh, shin = at[f"{side}_knee"] - at[f"{side}_hip"], at[f"{side}_ankle"] - at[f"{side}_knee"]
        down, front = body.view[:, 1], body.view[:, 2]
        bend = np.arctan2(thigh @ front, thigh @ down) - np.arctan2(shin @ front, shin @ down)
        assert -1e-9 <= bend <= np.deg2rad(112)


def test_a_solid_covers_the_pixels_of_its_definition():
    canvas = Canvas(np.zeros((40, 60, 3)), np.zeros(2))
    start, end = np.array([12.3, 20.6]), np.array([44.1, 15.2])
    canvas.solid(start, end, capsule(float(np.hypot(*(end - start))), 6, 6), np.full(3, 200, np.float32), 7)
    y, x = np.mgrid[:40, :60]
    points = np.stack([x, y], axis=-1)
    t = np.clip((points - start) @ (end - start) / ((end - start) @ (end - start)), 0, 1)
    distance = np.linalg.norm(points - start - t[..., None] * (end - start), axis=-1)
    assert (canvas.ids[distance < 5.2] == 7).all()
    assert (canvas.ids[distance > 6.8] == 0).all()


def test_pick_follows_the_weights():
    rng = np.random.default_rng(0)
    drawn = [pick(rng, {"a": 3, "b": 0, "c": 1}) for _ in range(4000)]
    assert "b" not in drawn
    assert drawn.count("a") / 4000 == pytest.approx(0.75, abs=0.03)


def test_ids_of_people_do_not_collide():
    assert part_id(4, "torso") >> PART_BITS == part_id(4, "right_foot") >> PART_BITS == 5


def test_coco_reads_the_folder(folder):
    for split, count in (("train", 36), ("val", 6)):
        coco = load(folder / "annotations" / f"person_keypoints_{split}.json")
        assert {"info", "licenses", "categories", "images", "annotations"} <= set(coco.dataset)
        category = coco.dataset["categories"][0]
        assert category["keypoints"] == list(NAMES)
        assert np.min(category["skeleton"]) == 1
        assert np.max(category["skeleton"]) == len(NAMES)
        assert len(coco.imgs) == len(list((folder / split).iterdir())) == count
        for image in coco.imgs.values():
            picture = cv2.imread(str(folder / split / image["file_name"]))
            assert picture.shape == (image["height"], image["width"], 3)
        for annotation in coco.anns.values():
            assert coco.annToMask(annotation).sum() > 0
            assert annotation["image_id"] in coco.imgs


def test_splits_share_no_image_and_no_id(folder):
    train, val = ({path.name: path.read_bytes() for path in (folder / split).iterdir()} for split in ("train", "val"))
    assert not set(train) & set(val)
    assert not set(train.values()) & set(val.values())


def test_the_same_seed_writes_the_same_bytes_for_any_number_of_workers(folder, tmp_path):
    synthesize(tmp_path / "again", num_train=36, num_val=6, seed=3, workers=2, **SMALL)
    assert read_all(tmp_path / "again") == read_all(folder)
    synthesize(tmp_path / "other", num_train=1, num_val=0, seed=4, **SMALL)
    image = "train/000000000001.jpg"
    assert (tmp_path / "other" / image).read_bytes() != (folder / image).read_bytes()


def test_an_interrupted_run_leaves_no_annotations_and_can_be_repeated(tmp_path, monkeypatch):
    synthesize(tmp_path / "set", num_train=2, num_val=1, seed=0, **SMALL)
    complete = read_all(tmp_path / "set")

    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(dataset, "render_scene", interrupt)
        with pytest.raises(KeyboardInterrupt):
            synthesize(tmp_path / "set", num_train=2, num_val=1, seed=0, **SMALL)
    assert not list((tmp_path / "set" / "annotations").iterdir())
    synthesize(tmp_path / "set", num_train=2, num_val=1, seed=0, **SMALL)
    assert read_all(tmp_path / "set") == complete


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"num_train": -1}, "num_train"),
        ({"seed": -1}, "seed"),
        ({"image_size": (8, 8)}, "image_size"),
        ({"max_people": 0}, "max_people"),
        ({"height_range": (200.0, 100.0)}, "height_range"),
        ({"workers": -1}, "workers"),
    ],
)
def test_numbers_that_make_no_sense_are_named(tmp_path, change, field):
    with pytest.raises(InputError, match=field):
        synthesize(tmp_path / "set", **{"num_train": 1, "num_val": 1, "seed": 0, **SMALL, **change})
    assert not (tmp_path / "set").exists()


def test_the_command_writes_a_set_and_refuses_foreign_folders(tmp_path):
    def run(*arguments):
        command = [sys.executable, "-m", "gog_pose.cli.synthesize", "image_size=[96,128]", "height_range=[60,90]"]
        environment = {**os.environ, "COLUMNS": "200"}
        return subprocess.run(
            [*command, "num_train=3", "num_val=1", "workers=0", *arguments],
            cwd=tmp_path, capture_output=True, text=True, env=environment, check=False,
        )  # fmt: skip

    made = run("output=made")
    assert made.returncode == 0, made.stderr
    assert "3 train + 1 val images" in made.stdout
    content = json.loads((tmp_path / "made/annotations/person_keypoints_train.json").read_text())
    assert len(content["images"]) == 3

    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    refused = run("output=mine")
    assert refused.returncode == 2
    last_line = refused.stderr.strip().splitlines()[-1]
    assert "error: mine: output is not empty" in last_line
    assert "Traceback" not in refused.stderr
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]
