"""A data set with its own layout and skeleton needs YAML alone; CrowdPose needs none: both train, evaluate, predict."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from small_runs import SMALL

from gog_pose import PoseEstimator
from gog_pose.cli import oracle, train
from gog_pose.data.rules import keypoint_categories
from gog_pose.errors import InputError
from gog_pose.skeleton import load_skeleton

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "own_data.md").read_text(encoding="utf-8")
KITE_SKELETON, KITE_DATA = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
KITE = np.array([(0, -20), (-14, -4), (14, -4), (0, 0), (0, 20)], dtype=np.float32)  # px around its center

RUN = [*SMALL, "trainer.max_epochs=1"]


def run(command, *arguments, cwd):
    """Run a command as a user does; return what it printed."""
    process = subprocess.run(
        [sys.executable, "-m", f"gog_pose.cli.{command}", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


@pytest.fixture
def run_here(monkeypatch):
    """Run a command in this process, which is faster."""

    def run(command, *arguments):
        monkeypatch.setattr(sys, "argv", ["gog", *map(str, arguments)])
        command.main()

    return run


def write_set(images, annotations, shape, category, num_images, first_id=1, **image_fields):
    """Write images of one object each, drawn as dots at its (K, 2) keypoints, and their annotation file."""
    random = np.random.default_rng(first_id)
    images.mkdir(parents=True, exist_ok=True)
    annotations.parent.mkdir(parents=True, exist_ok=True)
    content = {"images": [], "annotations": [], "categories": [category]}
    for image_id in range(first_id, first_id + num_images):
        points = shape + random.integers((32, 32), (64, 40)).astype(np.float32)
        pixels = np.full((72, 96, 3), 60, dtype=np.uint8)
        for index, (x, y) in enumerate(points):
            cv2.circle(pixels, (round(float(x)), round(float(y))), 3, (40 * index % 256, 255 - 17 * index, 200), -1)
        name = f"{image_id:06}.png"
        cv2.imwrite(str(images / name), pixels)
        content["images"].append({"id": image_id, "file_name": name, "height": 72, "width": 96, **image_fields})
        keypoints = np.column_stack([points, np.full(len(points), 2)]).ravel().tolist()
        box = [*points.min(axis=0).tolist(), *np.ptp(points, axis=0).tolist()]
        entry = {"id": image_id, "image_id": image_id, "category_id": category["id"]}
        content["annotations"].append({**entry, "bbox": box, "keypoints": keypoints})
    annotations.write_text(json.dumps(content))


def test_a_set_with_another_skeleton_and_layout_needs_yaml_alone(tmp_path, run_here):
    for group, text in (("skeleton", KITE_SKELETON), ("data", KITE_DATA)):
        (tmp_path / "my_conf" / group).mkdir(parents=True)
        (tmp_path / "my_conf" / group / "kite.yaml").write_text(text)
    root, category = tmp_path / "data/kites", {"id": 3, "name": "kite"}
    write_set(root / "photos", root / "labels/fly.json", KITE, category, num_images=4)
    write_set(root / "photos", root / "labels/land.json", KITE, category, num_images=2, first_id=5)

    choices = ["--config-dir", "my_conf", "skeleton=kite", "data=kite"]
    printed = run("train", *choices, *RUN, "hydra.run.dir=run", cwd=tmp_path)
    assert "on 2 images of data/kites/labels/land.json" in printed
    results = json.loads((tmp_path / "run/results.json").read_text())
    assert results["steps"] == 1
    assert 0 <= results["AP"] <= 1
    assert "AP_easy" not in results

    best = tmp_path / "run/checkpoints/best.ckpt"
    skeleton = PoseEstimator.from_checkpoint(best).skeleton
    assert skeleton.keypoints == ("nose", "left_wing", "right_wing", "center", "tail")
    assert skeleton.oks_sigmas == (0.05, 0.08, 0.08, 0.05, 0.1)

    photos = root / "photos"
    run(
        "predict",
        f"source={photos}",
        f"checkpoint={best}",
        "output=out",
        "flip=true",
        "decoder.threshold=1e-6",
        cwd=tmp_path,
    )
    predictions = json.loads((tmp_path / "out/predictions.json").read_text())
    assert predictions
    assert {len(entry["keypoints"]) for entry in predictions} == {15}
    assert len(list((tmp_path / "out").glob("0*.png"))) == 6

    bound = tmp_path / "bound.json"
    options = [f"annotations={root / 'labels/land.json'}", f"results={bound}", f"hydra.run.dir={tmp_path / 'bound'}"]
    run_here(oracle, "--config-dir", tmp_path / "my_conf", "skeleton=kite", *options, "workers=0", "worst=0")
    assert json.loads(bound.read_text())["AP"] == pytest.approx(1)


def test_crowdpose_trains_and_is_evaluated_by_crowding(tmp_path, run_here):
    skeleton = load_skeleton("crowdpose")
    shape = np.array(
        [(6, -14), (-6, -14), (10, -6), (-10, -6), (12, 2), (-12, 2), (4, 2), (-4, 2), (5, 12), (-5, 12), (5, 22),
         (-5, 22), (0, -26), (0, -18)],
        dtype=np.float32,
    )  # fmt: skip
    category = {"id": 1, "name": "person", "keypoints": list(skeleton.keypoints)}
    root = tmp_path / "crowdpose"
    for split, index, first_id in (("train", 0.4, 100000), ("val", 0.1, 100004)):
        write_set(
            root / "images", root / f"json/crowdpose_{split}.json", shape, category, 4, first_id, crowdIndex=index
        )
    choices = ["skeleton=crowdpose", "data=crowdpose", f"data.root={root}"]
    run_here(train, *choices, *RUN, f"hydra.run.dir={tmp_path / 'run'}")
    results = json.loads((tmp_path / "run/results.json").read_text())
    assert results["data"] == str(root / "json/crowdpose_val.json")
    assert results["images"] == 4
    assert results["AP_easy"] == results["AP"]
    assert results["AP_hard"] is None  # no such image: undefined


def category(number, name, *keypoints):
    return {"id": number, "name": name, "keypoints": list(keypoints)}


@pytest.mark.parametrize(
    ("categories", "option", "chosen"),
    [
        ([category(3, "kite")], None, {3: "kite"}),
        ([{"id": 3}], None, {3: "None"}),
        ([category(3, "kite"), category(5, "Person"), category(6, "car")], None, {5: "Person"}),
        ([category(0, "cows"), category(1, "cow", "nose")], None, {1: "cow"}),
        ([category(0, "person"), category(1, "hand", "wrist")], None, {1: "hand"}),
        ([category(4, "dog", "nose"), category(5, "person", "nose")], None, {5: "person"}),
        ([category(4, "dog", "nose"), category(5, "person", "nose")], "DOG", {4: "dog"}),
        ([category(4, "dog", "nose"), category(5, "cat", "nose")], ["cat", "Dog "], {4: "dog", 5: "cat"}),
    ],
)
def test_the_category_of_the_people(categories, option, chosen):
    assert keypoint_categories({"categories": categories}, Path("labels.json"), option) == chosen


@pytest.mark.parametrize(
    ("categories", "option", "words"),
    [
        ([], None, "there must be one .* but there are none"),
        ([category(3, "kite"), category(6, "car")], None, "there must be one .* 'kite', 'car'"),
        ([category(3, "person"), category(5, "person")], None, "there must be one"),
        ([category(3, "kite")], "car", "none is named 'car'; choose from 'kite'"),
        ([category(3, "kite")], 3, "category: 3 must be a category's name"),
        ([category(3, "kite")], [], "must be a category's name"),
        ([category(3, "kite", "tail"), category(3, "car")], None, "share an id"),
        ([category("3", "kite")], None, "category 'kite'.id: '3' is not of type int"),
        (["kite"], None, r"categories\[0\]: must be an object"),
    ],
)
def test_a_category_that_is_not_clear_is_refused(categories, option, words):
    with pytest.raises(InputError, match=words) as error:
        keypoint_categories({"categories": categories}, Path("labels.json"), option)
    assert "\n" not in str(error.value)
