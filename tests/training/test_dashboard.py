"""Logged values of a run: pictures, speed, and in W&B the best metrics and the whole configuration."""

import csv
import gzip
import http.server
import json
import os
import re
import subprocess
import sys
import threading
from functools import reduce
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
import wandb
import yaml
from annotated import standing, write_annotations
from offline_runs import records
from omegaconf import OmegaConf
from wandb.sdk.wandb_run import Run

from gog_pose import PoseEstimator
from gog_pose.checkpoints.description import read_checkpoint
from gog_pose.cli import train
from gog_pose.data.samples import EvaluationSample
from gog_pose.data.synthetic import synthesize
from gog_pose.decoding import GogDecoder
from gog_pose.encoding import PoseEncoder
from gog_pose.errors import InputError
from gog_pose.evaluation import CocoKeypointEvaluator, read_detections
from gog_pose.evaluation.coco import CROWD_METRICS, METRICS
from gog_pose.evaluation.run import evaluate_detections
from gog_pose.imaging.preprocessing import Preprocessing
from gog_pose.methods.gog.heads import GogHeads
from gog_pose.methods.gog.loss import GogLoss
from gog_pose.methods.gog.records import PoseMaps
from gog_pose.networks.network import PoseNetwork
from gog_pose.networks.trunks.hourglass import Hourglass
from gog_pose.skeleton import load_skeleton
from gog_pose.training.callbacks import CocoMap, PosePictures, Throughput, throughput
from gog_pose.training.loggers import wandb_logger
from gog_pose.training.module import PoseModule

SKELETON = load_skeleton("coco_19")
CELL_HW, GAP, CAPTION = (360, 480), 4, 20  # px, of contact sheets
DASHBOARD = Path(__file__).resolve().parents[2] / "experiments/dashboard"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Train with two stacks and W&B; return the folder, and what W&B knew when the run ended."""
    root, output = tmp_path_factory.mktemp("scenes"), tmp_path_factory.mktemp("run")
    synthesize(root, num_train=4, num_val=3, seed=0, image_size=(96, 128), height_range=(50, 90), workers=0)
    overrides = {
        "data": "folder",
        "data.root": root,
        "data.multiple": 16,
        "data.batch_size": 2,
        "data.num_workers": 0,
        "model": "hourglass_tiny",
        "model.trunk.stacks": 2,
        "model.trunk.channels": "[8,12,16]",
        "model.trunk.blocks": "[1,1,1]",
        "model.trunk.stem_channels": 8,
        "preprocessing.long_side": 64,
        "augmentation": "none",
        "augmentation.crop_size": "[64,64]",
        "trainer": "cpu",
        "trainer.max_epochs": 2,
        "trainer.check_val_every_n_epoch": 1,
        "trainer.log_every_n_steps": 2,
        "trainer.enable_progress_bar": "false",
        "callbacks.pictures.num_images": 2,
        "logger": "wandb",
        "callbacks.wandb_results.checkpoint": "true",
        "group": "table9",
        "tags": "[mine]",
        "hydra.run.dir": output,
    }
    seen = {"axes": {}}
    define_metric, finish = Run.define_metric, wandb.finish

    def define(self, name, step_metric=None, **kwargs):
        seen["axes"][name] = step_metric
        return define_metric(self, name, step_metric=step_metric, **kwargs)

    def look_and_finish():
        seen.update(config=dict(wandb.run.config), summary=dict(wandb.run.summary))
        seen.update(tags=set(wandb.run.tags), group=wandb.run.group)
        finish()

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("WANDB_API_KEY", raising=False)
        patch.setenv("WANDB_DATA_DIR", str(output / "data"))  # of tables' pictures
        patch.setattr(sys, "argv", ["gog-train", *(f"{key}={value}" for key, value in overrides.items())])
        patch.setattr(Run, "define_metric", define)
        patch.setattr(wandb, "finish", look_and_finish)
        train.main()
    return SimpleNamespace(root=root, output=output, **seen)


def logged(output, name):
    with (output / "csv/version_0/metrics.csv").open() as file:
        return [float(row[name]) for row in csv.DictReader(file) if row[name]]


def test_summary_holds_the_best_metrics_and_the_last_of_all_else(run):
    defined = {name: logged(run.output, f"val/{name}") for name in METRICS}
    defined = {name: values for name, values in defined.items() if np.isfinite(values).all()}
    assert {"AP", "AP50", "AR"} <= set(defined)  # the few scenes have no medium people
    for name, values in defined.items():
        assert run.summary[f"val/{name}"]["max"] == pytest.approx(max(values))
    assert run.summary["val/loss"]["min"] == pytest.approx(min(logged(run.output, "val/loss")))
    for name in ("heatmap_0", "heatmap_1", "offset_0", "offset_1", "loss", "gradient_norm"):
        assert run.summary[f"train/{name}"] == pytest.approx(logged(run.output, f"train/{name}")[-1])
    others = {"lr-Adam", "speed/images_per_second", "speed/data_wait", "val/heatmap_1", "val/offset_1"}
    assert others <= set(run.summary)


def by_logged_name(record):
    """The metrics per keypoint type and the best F1 in a results file, by the name under which training logs them."""
    rows = {**record["keypoints"]["by_type"], "all": record["keypoints"]["all"]}
    columns = {"AP": "AP", "PCK": "PCK@0.1", "error_scales": "error_scales"}
    expected = {
        f"val_keypoints/{name}/{keypoint}": row[column]
        for name, column in columns.items()
        for keypoint, row in rows.items()
        if (name, keypoint) != ("AP", "all")
    }
    best = record["score_threshold"]["best"]
    return expected | {"val/F1": best["F1"], "val/F1_threshold": best["threshold"]}


def test_metrics_per_keypoint_type_are_those_of_gog_evaluate(tmp_path):
    """Detections of good and bad people, compared by the callback and by gog-evaluate, have equal metrics."""
    random = np.random.default_rng(0)
    truth = write_annotations(
        tmp_path / "truth.json", {image: [standing(0, 0), standing(150, 0)] for image in range(1, 6)}
    )
    found = {image: [] for image in range(1, 6)}
    for image, people in found.items():
        for left, spread in ((0, 2), (150, 6), (90, 4)):
            keypoints = standing(left, 0)
            keypoints[:, :2] += random.normal(0, spread, (17, 2))
            score = float(random.uniform(0.1, 1))
            people.append(
                {"image_id": image, "category_id": 1, "keypoints": keypoints.ravel().tolist(), "score": score}
            )
    (tmp_path / "found.json").write_text(json.dumps([person for people in found.values() for person in people]))
    expected = by_logged_name(evaluate_detections(tmp_path / "found.json", SKELETON, truth, subset="all"))

    module = PoseModule.__new__(PoseModule)
    torch.nn.Module.__init__(module)
    module.network = SimpleNamespace(skeleton=SKELETON)
    trainer = SimpleNamespace(sanity_checking=False, is_global_zero=False)
    for keypoints in (True, False):
        callback, logged = CocoMap(truth, keypoints=keypoints), {}
        module.log = lambda name, value, logged=logged, **kwargs: logged.update({name: value})
        callback.on_validation_epoch_start(trainer, module)
        callback._detections = found
        callback.on_validation_epoch_end(trainer, module)
        assert set(logged) == {f"val/{name}" for name in METRICS} | (set(expected) if keypoints else set())
        if keypoints:
            assert {name: logged[name] for name in expected} == expected
            assert 0 < logged["val_keypoints/AP/nose"] < 1
            assert 0 < logged["val_keypoints/PCK/all"] < 1
            assert 0 < logged["val/F1"] < 1


def test_metrics_per_keypoint_type_reach_the_loggers(run):
    detections = run.output / "detections.json"
    truth = run.root / "annotations/person_keypoints_val.json"
    expected = by_logged_name(evaluate_detections(detections, SKELETON, truth, subset="all"))
    assert set(expected) <= set(run.summary)
    with (run.output / "csv/version_0/metrics.csv").open() as file:
        last = [row for row in csv.DictReader(file) if row["val/F1"]][-1]  # of the best checkpoint, after training
    for name, value in expected.items():
        np.testing.assert_equal(np.float32(last[name]), np.float32(value), err_msg=name)
    assert not any("keypoints" in name for name in json.loads((run.output / "results.json").read_text()))


def test_all_curves_run_along_the_optimizer_steps(run):
    axes = dict(run.axes)
    assert axes.pop("trainer/global_step") is None
    assert set(axes) == {"*", "val/loss", *(f"val/{name}" for name in (*METRICS, *CROWD_METRICS))}
    assert set(axes.values()) == {"trainer/global_step"}


def test_the_whole_resolved_configuration_arrives(run):
    composed = OmegaConf.load(run.output / ".hydra/config.yaml")
    assert set(run.config) == set(composed)
    assert "${" not in json.dumps(run.config)
    assert run.config["model"]["trunk"]["channels"] == [8, 12, 16]
    assert run.config["callbacks"]["pictures"]["folder"] == str(run.output / "pictures")


def test_pictures_of_every_validation_are_written_and_logged(run):
    sheets = sorted(path.name for path in (run.output / "pictures").iterdir())
    # The third is that of the best checkpoint, after training.
    assert sheets == sorted(f"epoch_{epoch:04d}{kind}.png" for epoch in range(3) for kind in ("", "_maps"))
    (media,) = run.output.glob("wandb/offline-run-*/files/media/images/val")
    for kind in ("poses", "heatmaps", "offsets"):
        assert run.summary[f"val/{kind}"]["count"] == 2
        image = cv2.imread(str(next(media.glob(f"{kind}_*.jpg"))))
        assert image.shape == (CELL_HW[0] + 2 * GAP, 2 * CELL_HW[1] + 3 * GAP, 3)


def test_tags_say_what_was_chosen(run):
    chosen = {"method=gog", "scale=full", "skeleton=coco_19", "model=hourglass_tiny"}  # and no experiment
    assert run.tags == chosen | {"mine"}
    assert run.group == "table9"


@pytest.mark.parametrize("tag", ["", "x" * 65])
def test_a_tag_that_wandb_would_refuse_is_told_before_training(tmp_path, tag):
    with pytest.raises(InputError, match="64"):
        wandb_logger(project="p", save_dir=str(tmp_path), tags=[tag], offline=True)


def artifacts(run):
    return {artifact.type: artifact for artifact in records(run.output, "artifact")}


def test_artifacts_are_the_best_checkpoint_and_its_detections(run):
    best = run.output / "checkpoints/best.ckpt"
    files = {"model": best, "detections": run.output / "detections.json"}
    assert set(artifacts(run)) == {*files, "run_table"}
    results = json.loads((run.output / "results.json").read_text())
    for kind, file in files.items():
        metadata = json.loads(artifacts(run)[kind].metadata)
        assert metadata["AP"] == pytest.approx(results["AP"], abs=1e-6)
        assert metadata["step"] == read_checkpoint(best)["global_step"]
        assert (metadata["skeleton"], metadata["method"], metadata["long_side"]) == ("coco_19", "gog", 64)
        (content,) = artifacts(run)[kind].manifest.contents
        assert content.path == file.name
        assert Path(content.local_path) == file  # no second copy of gigabytes


def test_detections_are_those_of_the_best_checkpoint(run):
    estimator = PoseEstimator.from_checkpoint(run.output / "checkpoints/best.ckpt", device="cpu")
    written = read_detections(run.output / "detections.json", SKELETON.num_keypoints, {1}).of_images
    assert written
    for image_id, people in written.items():
        expected = estimator.predict(run.root / f"val/{image_id:012d}.jpg").to_coco(image_id)
        np.testing.assert_allclose(
            [[*person["keypoints"], person["score"]] for person in people],
            [[*person["keypoints"], person["score"]] for person in expected],
            atol=0.01,
        )


def test_a_table_shows_the_images_of_the_best_checkpoint(run):
    places = {content.path: Path(content.local_path) for content in artifacts(run)["run_table"].manifest.contents}
    table = json.loads(places["best/pictures.table.json"].read_text())
    content = json.loads((run.root / "annotations/person_keypoints_val.json").read_text())
    labelled = [person["image_id"] for person in content["annotations"] if person["num_keypoints"]]
    assert table["columns"] == ["image", "ground truth", "prediction", "people labelled", "people drawn", "AP"]
    assert len(table["data"]) == 2
    for image_id, truth, prediction, num_labelled, num_drawn, precision in table["data"]:
        assert num_labelled == labelled.count(image_id) > 0
        assert num_drawn >= 0
        assert 0 <= precision <= 1
        pictures = [cv2.imread(str(places[side["path"]])) for side in (truth, prediction)]
        assert pictures[0].shape == pictures[1].shape
        assert max(pictures[0].shape[0] / CELL_HW[0], pictures[0].shape[1] / CELL_HW[1]) == 1
    assert sum(run.summary["best/pictures"][size] for size in ("nrows", "ncols")) == 2 + 6


def test_the_precision_of_an_image_is_of_that_image_alone(run):
    path = run.root / "annotations/person_keypoints_val.json"
    people = [person for person in json.loads(path.read_text())["annotations"] if person["num_keypoints"]]
    flawless, missed = sorted({person["image_id"] for person in people})[:2]
    callback = CocoMap()
    callback._evaluator = CocoKeypointEvaluator(path, SKELETON)
    found = [{**person, "score": 1.0} for person in people if person["image_id"] == flawless]
    callback._detections = {flawless: found, missed: []}
    assert callback.image_precision(flawless) == pytest.approx(1)
    assert callback.image_precision(missed) == 0


def names_of(panel):
    """Return the pattern of metric names that a panel shows."""
    exact = [*panel.get("y", []), *panel.get("metrics", []), *panel.get("media_keys", []), panel.get("table_name")]
    return [*(re.escape(name) for name in exact if name), *([panel["metric_regex"]] if "metric_regex" in panel else [])]


def test_the_dashboard_shows_what_runs_log_and_all_that_they_log(run):
    """No panel of it is empty, and no curve that is logged to be viewed is missing."""
    description = yaml.safe_load((DASHBOARD / "dashboard.yaml").read_text())
    bests = {f"{name}.{best}" for name, value in run.summary.items() if hasattr(value, "keys") for best in dict(value)}
    logged = {name for name in run.summary if not name.startswith("_")} | bests
    logged |= {"speed/gpu_memory"}  # where there is a GPU
    shown = [name for section in description["sections"] for panel in section["panels"] for name in names_of(panel)]
    for name in shown:
        assert any(re.fullmatch(name, other) for other in logged), name
    columns = description["runs"]["columns"]
    for column in [f"summary:{description['runs']['order_by']}", *columns]:
        kind, name = column.split(":")
        if kind == "summary":
            assert name in bests
        elif kind == "config":
            first, value, *keys = name.split(".")
            assert value == "value"
            assert reduce(lambda node, key: node[key], keys, run.config[first]) is not None
    for name in logged:
        if name.startswith(("train/", "speed/", "lr-")):
            assert any(re.fullmatch(pattern, name) for pattern in shown), name


def apply_dashboard(*arguments, **environment):
    pytest.importorskip("wandb_workspaces", reason="needs the optional package wandb-workspaces")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    command = [sys.executable, str(DASHBOARD / "apply.py"), *arguments]
    return subprocess.run(
        command, env={**clean, **environment}, capture_output=True, text=True, timeout=300, check=False
    )


class StandIn(http.server.BaseHTTPRequestHandler):
    """Answers W&B's client as its server does, and keeps the views that it is sent."""

    views: list = []  # noqa: RUF012

    def do_POST(self):
        """Answer all that the client may ask."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        query = json.loads(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
        if "upsertView" in query["query"]:
            self.views.append(query["variables"])
        viewer = {"id": "u", "entity": "somebody", "username": "somebody", "teams": {"edges": []}, "flags": "{}"}
        view = {"view": {"id": "v", "name": "nw-abc-v"}, "inserted": True}
        answer = json.dumps({"data": {"viewer": viewer, "upsertView": view}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        """Print nothing."""


def test_the_dashboard_is_sent_as_described(tmp_path):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), StandIn) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        process = apply_dashboard("--project", "p", WANDB_BASE_URL=address, WANDB_API_KEY="a" * 40, HOME=str(tmp_path))
        server.shutdown()
    assert process.returncode == 0, process.stderr
    (view,) = StandIn.views
    assert (view["entityName"], view["projectName"], view["displayName"]) == ("somebody", "p", "gog_pose")
    sent = json.loads(view["spec"])["section"]
    description = yaml.safe_load((DASHBOARD / "dashboard.yaml").read_text())
    sections = {section["name"]: section["panels"] for section in sent["panelBankConfig"]["sections"]}
    assert {name: len(panels) for name, panels in sections.items()} == {
        section["name"]: len(section["panels"]) for section in description["sections"]
    }
    assert sections["Validation"][0]["config"]["metrics"] == ["val/AP"]
    assert sections["Validation"][-1]["config"]["groupBy"] == "group"
    assert {panel["config"].get("xAxis") for panel in sections["Training"]} == {"trainer/global_step"}
    (runs,) = sent["runSets"]
    assert runs["grouping"] == [{"section": "run", "name": name} for name in ("group", "displayName")]
    assert runs["runFeed"]["columnOrder"] == ["run:displayName", *description["runs"]["columns"]]


def test_without_a_key_the_dashboard_can_be_printed_and_is_not_sent(tmp_path):
    process = apply_dashboard("--print", HOME=str(tmp_path))
    assert process.returncode == 0, process.stderr
    assert "panelBankConfig" in json.loads(process.stdout)["section"]
    process = apply_dashboard(HOME=str(tmp_path))
    assert process.returncode == 2
    assert len(process.stderr.strip().splitlines()) == 1
    assert "API key" in process.stderr


@pytest.fixture
def module():
    network = PoseNetwork(SKELETON, Hourglass(stacks=1, channels=[4, 6], blocks=[1, 1], stem_channels=4), GogHeads)
    optimizer, schedule = None, None  # pictures need none
    return PoseModule(network, GogLoss(), GogDecoder(SKELETON), Preprocessing(), optimizer, schedule)


def sample(image_id, keypoints):
    """A dark image of one person."""
    targets = PoseEncoder(SKELETON)(keypoints[None], np.array([150.0]), (192, 256))
    image = Preprocessing().to_tensor(np.full((192, 256, 3), 60, np.uint8))
    return EvaluationSample(image, targets, torch.from_numpy(keypoints[None]), torch.eye(3), image_id)


def someone(shift):
    places = np.random.default_rng(0).permutation(30)[: SKELETON.num_keypoints]  # on a grid, none near another
    xy = 20 + 34 * np.stack([places % 6, places // 6], axis=1) + shift
    return np.column_stack([xy, np.full(len(xy), 2)]).astype(np.float32)


def validate(module, folder, samples, answers, num_images=12):
    """Validate on samples, one a batch; return the callback."""
    callback = PosePictures(folder, num_images=num_images)
    trainer = SimpleNamespace(
        sanity_checking=False, is_global_zero=True, num_val_batches=[len(samples)], current_epoch=7, loggers=[]
    )
    for index, (one, answer) in enumerate(zip(samples, answers, strict=True)):
        callback.on_validation_batch_end(trainer, module, [answer], [one], index)
    callback.on_validation_epoch_end(trainer, module)
    return callback


def draw_epoch(module, folder, samples, answers, num_images=12):
    """Validate; return the sheets of poses and maps as rows of cells without their captions."""
    validate(module, folder, samples, answers, num_images)
    return [cells(cv2.imread(str(folder / f"epoch_0007{kind}.png"))) for kind in ("", "_maps")]


def cells(sheet):
    pitch_y, pitch_x = CELL_HW[0] + GAP, CELL_HW[1] + GAP
    return [
        [
            sheet[GAP + top + CAPTION : top + pitch_y, GAP + left : left + pitch_x].astype(int)
            for left in range(0, sheet.shape[1] - GAP, pitch_x)
        ]
        for top in range(0, sheet.shape[0] - GAP, pitch_y)
    ]


def maps_of(one):
    return PoseMaps(one.targets.heatmaps[None], one.targets.offsets[None])


def test_a_flawless_answer_looks_like_the_ground_truth(module, tmp_path):
    one = sample(1, someone(shift=0))
    ((truth, answer),), ((*heatmaps, true_offsets, offsets),) = draw_epoch(module, tmp_path, [one], [maps_of(one)])
    assert np.abs(truth - answer).mean() < 1  # decoded places differ by hundredths of a px
    np.testing.assert_array_equal(*heatmaps)
    np.testing.assert_array_equal(true_offsets, offsets)
    assert all(np.ptp(cell) > 100 for cell in (truth, heatmaps[0], offsets))  # there is something to see


def test_people_are_counted_where_they_are_drawn(module, tmp_path):
    samples = [sample(index, someone(shift=index)) for index in range(2)]
    silent = PoseMaps(*(torch.zeros_like(field) for field in maps_of(samples[1])[:2]))
    callback = validate(module, tmp_path, samples, [maps_of(samples[0]), silent])
    assert {index: image[1:] for index, image in callback.images.items()} == {0: (1, 1), 1: (1, 0)}


def test_each_side_shows_its_own(module, tmp_path):
    """Predictions without responses leave the left side unchanged, and the right side shows only errors of offsets."""
    one = sample(1, someone(shift=0))
    silent = PoseMaps(*(torch.zeros_like(field) for field in maps_of(one)[:2]))
    ((truth, answer),), ((true_heatmaps, heatmaps, true_offsets, offsets),) = draw_epoch(
        module, tmp_path, [one], [silent]
    )
    assert np.ptp(truth) > 100
    assert np.ptp(answer) == 0
    assert np.ptp(true_heatmaps) > 100
    assert np.ptp(heatmaps) == 0
    white = [(cell > 200).all(axis=2).sum() for cell in (true_offsets, offsets)]
    assert white[0] == 0
    assert white[1] > 1000


def test_images_are_spread_over_the_split_and_the_same_every_epoch(module, tmp_path):
    samples = [sample(index, someone(shift=index)) for index in range(6)]
    answers = [maps_of(one) for one in samples]
    poses, maps = draw_epoch(module, tmp_path, samples, answers, num_images=3)
    assert sum(map(len, poses)) == 3 * 2 + 2  # two images a row; the last is half empty
    assert [len(row) for row in maps] == [4, 4, 4]
    for row, index in zip(maps, (0, 2, 4), strict=True):
        _, ((expected, *_),) = draw_epoch(module, tmp_path / "one", [samples[index]], [answers[index]])
        np.testing.assert_array_equal(row[0], expected)


class Clock:
    """Time that passes only where a test says so, and the memory of a GPU that is not there."""

    def __init__(self, monkeypatch, device):
        self.now, self.resets, self.logged = 0.0, 0, {}
        self.module = SimpleNamespace(device=torch.device(device), log=self._log)
        self.trainer = SimpleNamespace(global_step=0, log_every_n_steps=2)
        monkeypatch.setattr(throughput.time, "perf_counter", lambda: self.now)
        monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 3 * 2**30)
        monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: setattr(self, "resets", 1))

    def _log(self, name, value, batch_size):
        self.logged[name] = value

    def step(self, callback, *, waits, works):
        """Train on four images."""
        batch = SimpleNamespace(images=range(4))
        self.now += waits
        callback.on_train_batch_start(self.trainer, self.module, batch, 0)
        self.now += works
        self.trainer.global_step += 1
        callback.on_train_batch_end(self.trainer, self.module, None, batch, 0)


def test_speed_counts_the_steps_since_it_was_logged_last(monkeypatch):
    clock, callback = Clock(monkeypatch, "cpu"), Throughput()
    callback.on_train_epoch_start(clock.trainer, clock.module)
    clock.step(callback, waits=1, works=2)
    assert clock.logged == {}
    clock.step(callback, waits=2, works=3)
    assert clock.logged == {"speed/images_per_second": 8 / 8, "speed/data_wait": 3 / 8}
    clock.step(callback, waits=0, works=1)
    clock.step(callback, waits=0, works=1)
    assert clock.logged == {"speed/images_per_second": 8 / 2, "speed/data_wait": 0}


def test_validation_in_the_middle_of_an_epoch_is_no_waiting_for_data(monkeypatch):
    clock, callback = Clock(monkeypatch, "cpu"), Throughput()
    callback.on_train_epoch_start(clock.trainer, clock.module)
    clock.step(callback, waits=1, works=2)
    clock.now += 100
    callback.on_validation_end(clock.trainer, clock.module)
    clock.step(callback, waits=1, works=3)
    assert clock.logged == {"speed/images_per_second": 4 / 4, "speed/data_wait": 1 / 4}


def test_gpu_memory_is_the_peak_since_it_was_logged_last(monkeypatch):
    clock, callback = Clock(monkeypatch, "cuda"), Throughput()
    callback.on_train_epoch_start(clock.trainer, clock.module)
    clock.step(callback, waits=1, works=1)
    clock.resets = 0
    clock.step(callback, waits=1, works=1)
    assert clock.logged["speed/gpu_memory"] == 3.0
    assert clock.resets == 1
