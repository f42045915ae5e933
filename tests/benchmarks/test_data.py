"""The straightforward loader makes the same crops; the measured parts are complete and add up."""

import json
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from small_runs import small_scenes

from gog_pose.benchmarks import DataBenchmark, data
from gog_pose.benchmarks.data import STAGES, WAYS
from gog_pose.benchmarks.plain_crops import PlainCrops
from gog_pose.data.augmentation import Augmentation
from gog_pose.data.datamodule import PoseDataModule
from gog_pose.data.sampler import CropKey
from gog_pose.encoding import PoseEncoder
from gog_pose.errors import InputError
from gog_pose.imaging.preprocessing import Preprocessing
from gog_pose.methods import load_method
from gog_pose.skeleton import load_skeleton


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return small_scenes(tmp_path_factory.mktemp("scenes"), num_train=6, num_val=1)


def module(root, encoder=None, **options):
    return PoseDataModule(
        root=str(root),
        encoder=encoder or PoseEncoder(load_skeleton("coco_19")),
        augmentation=Augmentation(crop_size=(128, 128), translation=20),
        preprocessing=Preprocessing(),
        batch_size=2,
        **{"num_workers": 0, **options},
    )


def test_the_straightforward_reading_makes_the_same_crops(scenes):
    crops = module(scenes, encode_on="worker")
    crops.setup("fit")
    plain = PlainCrops(crops.train_set, load_method("gog").reference)
    assert len(plain) == len(crops.train_set) == 6
    for item in range(6):
        ours, theirs = crops.train_set[CropKey(0, item)], plain[CropKey(0, item)]
        assert np.abs(ours.images.numpy() - theirs.image).max() < 1e-5
        for one, other in zip(ours.targets[:4], (*theirs.targets, theirs.mask), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-3)


@pytest.fixture(scope="module")
def record(scenes):
    """Return the measurements with one loading process, without separate processes, which start slowly."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "in_own_process", lambda function, case: function(case))
        return DataBenchmark(data=partial(module, scenes), num_workers=[1], batches=2, images=4, repeats=1).run()


def test_a_row_for_every_way_and_number_of_processes(record):
    assert [(row["workers"], row["way"]) for row in record["loading"]] == [(1, way) for way in WAYS]
    assert [row["way"] for row in record["stages"]] == list(WAYS)
    assert record["differing"] == 0


@pytest.mark.slow
def test_the_command_prints_and_writes_them(scenes, tmp_path):
    command = [
        *(sys.executable, "-m", "gog_pose.cli.benchmark", "what=data", "data=folder", f"data.root={scenes}"),
        *("data.batch_size=2", "augmentation=small", "num_workers=[0,2]", "batches=2", "images=4", "repeats=1"),
        *("results=data.json", "hydra.run.dir=run"),
    ]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    written = json.loads((tmp_path / "data.json").read_text())
    assert [row["workers"] for row in written["loading"]] == [0, 0, 0, 2, 2, 2]
    assert written["settings"]["augmentation"]["crop_size"] == [192, 192]
    for title in ("Stages of a training crop", "Delivery of training batches"):
        assert title in process.stdout


def test_stages_add_up_and_ratios_are_to_the_straightforward_reading(record):
    for row in record["stages"]:
        assert row["sum"]["median"] == pytest.approx(sum(row[stage]["median"] for stage in STAGES))
    rows = record["loading"]
    for row in rows:
        plain = next(other for other in rows if other["workers"] == row["workers"])
        speed, plain_speed = (one["speed"]["images_per_second"]["median"] for one in (row, plain))
        assert row["ratio"] == speed / plain_speed
        assert row["cpu"]["all"]["median"] >= row["cpu"]["main"]["median"]
        assert min(row["memory"][process]["median"] for process in ("main", "worker")) > 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_workers": [-1]}, "num_workers: must be"),
        ({"num_workers": []}, "num_workers: must be"),
        ({"batches": 0}, "batches: must be 1 or more"),
        ({"images": 0}, "images: must be 1 or more"),
        ({"repeats": 0}, "repeats: must be 1 or more"),
        (
            {"data": lambda: module(".", PoseEncoder(load_skeleton("coco_19"), refinement=3))},
            "only the targets of method=gog",
        ),
    ],
)
def test_mistakes_are_told(changes, words):
    options = {"data": lambda: module("."), "num_workers": [0], "batches": 1, "images": 1, "repeats": 1}
    with pytest.raises(InputError, match=words):
        DataBenchmark(**{**options, **changes})
