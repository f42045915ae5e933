"""gog-evaluate: the AP is the same in pycocotools, in training, and for all batch sizes and processes."""

import contextlib
import csv
import hashlib
import io
import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from small_runs import SMALL

from gog_pose import PoseEstimator
from gog_pose.cli import evaluate, train
from gog_pose.evaluation.coco import METRICS

SIZES = [(64, 96), (96, 64), (64, 96), (80, 80), (64, 90), (48, 96), (64, 96), (96, 64)]
DECODER = ["method.decoder.threshold=1e-6", "method.decoder.topk=6", "method.decoder.min_keypoints=6"]


@pytest.fixture
def run(capfd):
    """Run gog-evaluate in this process; return its exit code, output and errors."""

    def command(*overrides):
        return call(evaluate, *overrides), *capfd.readouterr()

    return command


def call(program, *overrides):
    """Run a command and return its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["gog", *map(str, overrides)])
        try:
            program.main()
        except SystemExit as stop:
            return stop.code
    return 0


def write_annotations(root, people):
    """Annotate the images of both splits; ``people`` has the (P, 17, 3) keypoints of each image id."""
    content = {
        "images": [{"id": i, "file_name": f"{i}.png", "height": h, "width": w} for i, (h, w) in enumerate(SIZES)],
        "annotations": [],
        "categories": [{"id": 7, "name": "person"}],
    }
    for image_id, persons in people.items():
        for keypoints in persons:
            found = keypoints[keypoints[:, 2] > 0, :2]
            corner = found.min(axis=0) if len(found) else np.zeros(2)
            extent = np.ptp(found, axis=0) if len(found) else np.ones(2)
            content["annotations"].append(
                {
                    "id": len(content["annotations"]) + 1, "image_id": image_id, "category_id": 7, "iscrowd": 0,
                    "num_keypoints": len(found), "keypoints": keypoints.ravel().tolist(),
                    "bbox": [*corner.tolist(), *extent.tolist()], "area": float(extent.prod()),
                }
            )  # fmt: skip
    (root / "annotations").mkdir(exist_ok=True)
    for split in ("train", "val"):
        (root / f"annotations/person_keypoints_{split}.json").write_text(json.dumps(content))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Noise, a network that has hardly learned from it, and annotations that follow what it happens to answer.

    So its AP is neither 0 nor 1 and hangs on every pixel. Image 7 has no person, image 6 one without keypoints.
    """
    root = tmp_path_factory.mktemp("noise")
    random = np.random.default_rng(0)
    for split in ("train", "val"):
        (root / split).mkdir()
        for image_id, size in enumerate(SIZES):
            noise = Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8)).resize(size[::-1])
            noise.save(root / split / f"{image_id}.png")
    someone = np.concatenate([random.uniform(0, 64, (17, 2)), np.full((17, 1), 2)], axis=1)
    write_annotations(root, {image_id: [someone] for image_id in range(6)})
    command = ["data=folder", *SMALL, *DECODER, f"data.root={root}", f"hydra.run.dir={root / 'run'}"]
    command += ["trainer.max_epochs=1", "~callbacks.pictures"]
    assert call(train, *command) == 0
    estimator = PoseEstimator.from_checkpoint(root / "run/checkpoints/best.ckpt")
    people = {6: [np.zeros((17, 3))], 7: []}
    for image_id in range(6):
        poses = estimator.predict(root / f"val/{image_id}.png").best(4)
        assert len(poses) == 4
        keypoints = poses.keypoints[random.permutation(4)[:3]].astype(float)
        keypoints[..., :2] += random.normal(0, 1.5, keypoints[..., :2].shape)
        keypoints[..., 2] = 2 * (keypoints[..., 2] > 0)
        people[image_id] = list(keypoints)
    write_annotations(root, people)
    # Nothing is left to train; the best checkpoint is evaluated on the new annotations.
    assert call(train, *command, f"resume={root / 'run/checkpoints/last.ckpt'}") == 0
    return root


@pytest.fixture(scope="module")
def evaluated(trained):
    """The folder of an evaluation image by image, in one process."""
    output = trained / "evaluated"
    assert call(evaluate, *options(trained), f"hydra.run.dir={output}", "num_workers=0") == 0
    return output


def options(root):
    return f"checkpoint={root / 'run/checkpoints/best.ckpt'}", "data=folder", f"data.root={root}"


def by_hand(annotations, detections, image_ids):
    """Return the AP of a file of detections by pycocotools."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(annotations)
        evaluation = COCOeval(truth, truth.loadRes(str(detections)), "keypoints")
        evaluation.params.imgIds = image_ids
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return dict(zip(METRICS, evaluation.stats, strict=True))


def test_command_and_training_and_pycocotools_agree(trained, evaluated):
    record = json.loads((evaluated / "results.json").read_text())
    during_training = json.loads((trained / "run/results.json").read_text())
    annotations = trained / "annotations/person_keypoints_val.json"
    hand_made = by_hand(annotations, evaluated / "detections.json", list(range(7)))
    assert 0.05 < record["AP"] < 0.95
    assert record["images"] == during_training["images"] == 7
    for name in METRICS:
        if hand_made[name] < 0:  # nobody is that large
            assert record[name] is None
        else:
            assert record[name] == pytest.approx(hand_made[name], abs=1e-6)
            assert record[name] == pytest.approx(during_training[name], abs=2e-6)  # rounded twice
    checkpoint = (trained / "run/checkpoints/best.ckpt").read_bytes()
    assert record["settings"]["checkpoint"]["sha256"] == hashlib.sha256(checkpoint).hexdigest()
    assert record["settings"]["decoder"]["topk"] == 6
    assert record["settings"]["multiple"] == 16
    assert record["commit"] is None or len(record["commit"].removesuffix("-dirty")) == 40


def test_tables_hold_the_numbers_of_the_results(evaluated):
    record = json.loads((evaluated / "results.json").read_text())
    tables = {}
    for name in ("results", "results_keypoints", "results_scores"):
        with (evaluated / f"{name}.csv").open(newline="") as file:
            tables[name] = list(csv.DictReader(file))
    metrics = {(row["subset"], row["metric"]): row["value"] for row in tables["results"]}
    for subset, own in record["subsets"].items():
        for metric, value in own.items():
            assert metrics[subset, metric] == ("" if value is None else str(value))
    assert float(metrics["people", "score_threshold.best.F1"]) == record["score_threshold"]["best"]["F1"]
    by_type = record["keypoints"]["by_type"]
    assert [row["keypoint"] for row in tables["results_keypoints"]] == [*by_type, "all"]
    for row in tables["results_keypoints"][:-1]:
        assert row["AP"] == ("" if by_type[row["keypoint"]]["AP"] is None else str(by_type[row["keypoint"]]["AP"]))
    curve = [{name: str(value) for name, value in point.items()} for point in record["score_threshold"]["curve"]]
    assert tables["results_scores"] == curve


def test_detections_are_compared_with_others(run, trained, evaluated, tmp_path):
    others = [{**person, "keypoints": [1.0] * 51} for person in json.loads((evaluated / "detections.json").read_text())]
    (tmp_path / "others.json").write_text(json.dumps(others))
    arguments = [f"detections={evaluated / 'detections.json'}", "data=folder", f"data.root={trained}"]
    code, text, _ = run(*arguments, f"compare={tmp_path / 'others.json'}", f"hydra.run.dir={tmp_path}")
    assert code == 0
    record = json.loads((tmp_path / "results.json").read_text())
    comparison = record["comparison"]
    assert comparison["difference"] == pytest.approx(record["AP"] - comparison["other_AP"], abs=2e-6)
    assert 0 < comparison["low"] < comparison["difference"] < comparison["high"]
    assert comparison["images"] == record["images"]
    assert "95 % interval" in text


@pytest.mark.parametrize("spread", [["batch_size=3", "num_workers=1"], ["devices=2", "batch_size=2", "num_workers=0"]])
def test_batches_and_processes_change_nothing(trained, evaluated, tmp_path, spread):
    command = [sys.executable, "-m", "gog_pose.cli.evaluate", *options(trained), *spread, f"hydra.run.dir={tmp_path}"]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    assert "people on 7 images" in process.stdout.splitlines()[-1]
    assert "finding people" in process.stderr
    alone, spread_out = (json.loads((folder / "results.json").read_text()) for folder in (evaluated, tmp_path))
    assert f"{alone['AP']:.3f}" in process.stdout
    for name in METRICS:
        assert spread_out[name] == pytest.approx(alone[name], abs=1e-6)
    entries = [json.loads((folder / "detections.json").read_text()) for folder in (evaluated, tmp_path)]
    assert [entry["image_id"] for entry in entries[0]] == [entry["image_id"] for entry in entries[1]]
    for one, other in zip(*entries, strict=True):
        np.testing.assert_allclose(one["keypoints"], other["keypoints"], atol=2e-3)


def test_subsets_stand_side_by_side(run, trained, tmp_path):
    code, printed, errors = run(
        *options(trained), "subset=all", "num_workers=0", f"results={tmp_path / 'out/all.json'}",
        f"hydra.run.dir={tmp_path}",
    )  # fmt: skip
    assert code == 0, errors
    record = json.loads((tmp_path / "out/all.json").read_text())
    assert {name: own["images"] for name, own in record["subsets"].items()} == {"labelled": 6, "people": 7, "all": 8}
    assert record["AP"] == record["subsets"]["all"]["AP"]
    # What is found on the image without people lowers the precision; so do false people.
    assert record["subsets"]["all"]["AP"] <= record["subsets"]["people"]["AP"] <= record["subsets"]["labelled"]["AP"]
    annotations, detections = trained / "annotations/person_keypoints_val.json", tmp_path / "detections.json"
    for name, image_ids in (("labelled", range(6)), ("people", range(7)), ("all", range(8))):
        expected = by_hand(annotations, detections, list(image_ids))["AP"]
        assert record["subsets"][name]["AP"] == pytest.approx(expected, abs=1e-6)
    header = next(line for line in printed.splitlines() if "people" in line)
    assert header.split() == ["with", "keypoints", "with", "people", "all"]

    file = f"detections={detections}"
    code, _, errors = run(
        file, "data=folder", f"data.root={trained}", "subset=all", f"hydra.run.dir={tmp_path / 'again'}"
    )
    assert code == 0, errors
    assert json.loads((tmp_path / "again/results.json").read_text())["subsets"] == record["subsets"]


def test_an_existing_results_file_is_overwritten_with_a_notice(run, trained, tmp_path):
    results = tmp_path / "results.json"
    results.write_text("old")
    same = (*options(trained), f"results={results}", f"hydra.run.dir={tmp_path / 'run'}", "num_workers=0", "limit=2")
    code, _, errors = run(*same, "subset=labelled")
    assert code == 0, errors
    assert f"{results} exists and will be overwritten" in errors
    assert json.loads(results.read_text())["images"] == 2


def test_a_test_set_becomes_what_the_server_takes(run, trained, tmp_path):
    listing = {
        "images": [{"id": 40 + i, "file_name": f"{i}.png", "height": h, "width": w} for i, (h, w) in enumerate(SIZES)],
        "categories": [{"id": 1, "name": "person"}],
    }
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations/image_info_test-dev2017.json").write_text(json.dumps(listing))
    (tmp_path / "test2017").symlink_to(trained / "val")
    code, printed, errors = run(
        f"checkpoint={trained / 'run/checkpoints/best.ckpt'}", "data=coco_test", f"data.root={tmp_path}",
        "num_workers=0", "max_people=3", f"hydra.run.dir={tmp_path / 'out'}",
    )  # fmt: skip
    assert code == 0, errors
    name = "person_keypoints_test-dev2017_gog_results"
    assert f"{name}.zip" in printed
    with zipfile.ZipFile(tmp_path / f"out/{name}.zip") as archive:
        assert archive.namelist() == [f"{name}.json"]
        entries = json.loads(archive.read(f"{name}.json"))
    assert {entry["image_id"] for entry in entries} == {40 + i for i in range(8)}
    for entry in entries:
        assert set(entry) == {"image_id", "category_id", "keypoints", "score"}
        assert entry["category_id"] == 1
        assert len(entry["keypoints"]) == 51
    assert max(np.bincount([entry["image_id"] for entry in entries])) == 3
    record = json.loads((tmp_path / "out/results.json").read_text())
    assert record["images"] == 8
    assert "AP" not in record


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ([], "checkpoint: give either checkpoint=FILE or detections=FILE"),
        (["checkpoint=/no.ckpt", "detections=/no.json"], "give either checkpoint=FILE or detections=FILE"),
        (["checkpoint=/no.ckpt"], "/no.ckpt: there is no such file"),
        (["checkpoint={best}", "compare=/no.json"], "/no.json: no such file of detections"),
        (["detections=/no.json"], "/no.json: no such file of detections"),
        (["checkpoint={best}", "split=test"], "person_keypoints_test.json: no such annotation file"),
        (["checkpoint={best}", "subset=some"], "subset: 'some'"),
        (["checkpoint={best}", "precision=8"], "precision: '8'"),
        (["checkpoint={best}", "device=abacus"], "device: 'abacus'"),
        (["checkpoint={best}", "device=cuda", "devices=99"], "devices: 99"),
        (["checkpoint={best}", "batch_size=0"], "batch_size: must be a whole number from 1"),
        (["checkpoint={best}", "input.scales=[0.5]"], "scales:"),
        (["checkpoint={best}", "input.height=64", "input.long_side=64"], "exclude each other"),
        (["checkpoint={best}", "input.multiple=24"], "multiple: 24"),
        (["checkpoint={best}", "+decoder.treshold=1"], "treshold"),
        (["checkpoint={best}", "results=/proc/none/results.json"], "results:"),
        (["checkpoint={best}", "results=table.csv"], "results: table.csv must be a JSON file"),
        (["checkpoint={best}", "keypoints.pck_size=foot"], "keypoints.pck_size: 'foot'"),
        (["checkpoint={best}", "keypoints.pck=[0]"], "keypoints.pck"),
        (["checkpoint={best}", "keypoints.f1_oks=0"], "keypoints.f1_oks"),
    ],
)
def test_mistakes_are_told_in_one_line_with_code_2(run, trained, tmp_path, overrides, words):
    overrides = [override.replace("{best}", str(trained / "run/checkpoints/best.ckpt")) for override in overrides]
    code, _, errors = run("data=folder", f"data.root={trained}", f"hydra.run.dir={tmp_path}", *overrides)
    assert code == 2
    assert words in errors.splitlines()[-1]
    assert "Traceback" not in errors


def entry(**changes):
    return {"image_id": 1, "category_id": 7, "keypoints": [1.0] * 51, "score": 0.5, **changes}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"annotations": []}, "must be a list"),
        ([entry(), entry(score=None)], "[1].score"),
        ([entry(keypoints=[1.0] * 42)], "42 numbers, but the skeleton has 17"),
        ([entry(score=float("nan"))], "finite"),
        ([entry(image_id=99)], "image_id: 99 is not in"),
    ],
)
def test_senseless_detections_are_refused(run, trained, tmp_path, content, words):
    file = tmp_path / "detections.json"
    file.write_text(json.dumps(content))
    source = (f"detections={file}", "data=folder", f"data.root={trained}")
    code, _, errors = run(*source, f"hydra.run.dir={tmp_path}")
    assert code == 2
    assert words in errors.splitlines()[-1]


@pytest.mark.parametrize("spread", [["num_workers=0"], ["devices=2", "num_workers=1"]])
def test_a_corrupt_image_ends_the_run_and_is_named(run, trained, tmp_path, spread):
    """The AP would be another one without it."""
    (tmp_path / "annotations").symlink_to(trained / "annotations")
    (tmp_path / "val").mkdir()
    for image in (trained / "val").iterdir():
        (tmp_path / "val" / image.name).write_bytes(image.read_bytes()[: 200 if image.stem == "5" else None])
    source = (f"checkpoint={trained / 'run/checkpoints/best.ckpt'}", "data=folder", f"data.root={tmp_path}")
    code, _, errors = run(*source, *spread, f"hydra.run.dir={tmp_path / 'out'}")
    assert code == 2
    assert "val/5.png" in errors.splitlines()[-1]
    assert "damaged" in errors.splitlines()[-1]
