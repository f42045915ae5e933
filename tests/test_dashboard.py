"""What a run shows of itself: pictures, speed, and in W&B the best metrics and the whole configuration."""

import csv
import json
import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
import wandb
from omegaconf import OmegaConf
from wandb.sdk.wandb_run import Run

from gog_pose.callbacks import PosePictures, Throughput, throughput
from gog_pose.cli import train
from gog_pose.data.dataset import EvaluationSample
from gog_pose.data.synthetic import synthesize
from gog_pose.decoding import GogDecoder
from gog_pose.encoding import PoseEncoder
from gog_pose.evaluation.coco import CROWD_METRICS, METRICS
from gog_pose.models import Hourglass, PoseNetwork
from gog_pose.module import PoseModule
from gog_pose.preprocessing import Preprocessing
from gog_pose.records import PoseMaps
from gog_pose.skeleton import load_skeleton

SKELETON = load_skeleton("coco_19")
CELL_HW, GAP, CAPTION = (360, 480), 4, 20  # px, of contact sheets


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
        "hydra.run.dir": output,
    }
    seen = {"axes": {}}
    define_metric, finish = Run.define_metric, wandb.finish

    def define(self, name, step_metric=None, **kwargs):
        seen["axes"][name] = step_metric
        return define_metric(self, name, step_metric=step_metric, **kwargs)

    def look_and_finish():
        seen.update(config=dict(wandb.run.config), summary=dict(wandb.run.summary))
        finish()

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("WANDB_API_KEY", raising=False)
        patch.setattr(sys, "argv", ["gog-train", *(f"{key}={value}" for key, value in overrides.items())])
        patch.setattr(Run, "define_metric", define)
        patch.setattr(wandb, "finish", look_and_finish)
        train.main()
    return SimpleNamespace(output=output, **seen)


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


def test_all_curves_run_along_the_optimiser_steps(run):
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


@pytest.fixture
def module():
    network = PoseNetwork(SKELETON, Hourglass(stacks=1, channels=[4, 6], blocks=[1, 1], stem_channels=4))
    loss, optimizer, schedule = None, None, None  # pictures need none
    return PoseModule(network, loss, GogDecoder(SKELETON), Preprocessing(), optimizer, schedule)


def sample(image_id, keypoints):
    """A dark image of one person."""
    targets = PoseEncoder(SKELETON)(keypoints[None], np.array([150.0]), (192, 256))
    image = Preprocessing().to_tensor(np.full((192, 256, 3), 60, np.uint8))
    return EvaluationSample(image, targets, torch.from_numpy(keypoints[None]), torch.eye(3), image_id)


def someone(shift):
    places = np.random.default_rng(0).permutation(30)[: SKELETON.num_keypoints]  # on a grid, none near another
    xy = 20 + 34 * np.stack([places % 6, places // 6], axis=1) + shift
    return np.column_stack([xy, np.full(len(xy), 2)]).astype(np.float32)


def draw_epoch(module, folder, samples, answers, num_images=12):
    """Validate on samples, one a batch; return the sheets of poses and maps as rows of cells without their captions."""
    callback = PosePictures(folder, num_images=num_images)
    trainer = SimpleNamespace(
        sanity_checking=False, is_global_zero=True, num_val_batches=[len(samples)], current_epoch=7, loggers=[]
    )
    for index, (one, answer) in enumerate(zip(samples, answers, strict=True)):
        callback.on_validation_batch_end(trainer, module, [answer], [one], index)
    callback.on_validation_epoch_end(trainer, module)
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


def test_each_side_shows_its_own(module, tmp_path):
    """Answers that are silent leave the left side as it is and the right side empty; only the offsets' errors show."""
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
