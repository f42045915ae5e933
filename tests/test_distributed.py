"""Two processes train together and report the AP that one would."""

import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest
import torch.distributed as dist
import torch.multiprocessing as mp

from gog_pose.callbacks import CocoMap
from gog_pose.data.synthetic import synthesize
from gog_pose.evaluation import CocoKeypointEvaluator
from gog_pose.records import Poses
from gog_pose.skeleton import load_skeleton


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    root = tmp_path_factory.mktemp("scenes")
    synthesize(root, num_train=8, num_val=5, seed=0, image_size=(96, 128), height_range=(50, 90), workers=0)
    return root


def detections_of(root):
    """Slightly displaced truth: an AP between 0 and 1."""
    content = json.loads((root / "annotations/person_keypoints_val.json").read_text())
    random = np.random.default_rng(0)
    found = {image["id"]: [] for image in content["images"]}
    for person in content["annotations"]:
        keypoints = np.array(person["keypoints"], dtype=np.float32).reshape(1, -1, 3)
        keypoints[..., :2] += random.normal(0, 2, keypoints[..., :2].shape)
        if person["num_keypoints"]:
            score = random.uniform(0.1, 1, 1).astype(np.float32)
            found[person["image_id"]] += Poses(keypoints, score).to_coco(person["image_id"])
    return found


def gather(rank, port, root, output):
    """One of two processes: holds every second image and, as Lightning's sampler pads, one of the other's."""
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    dist.init_process_group("gloo", rank=rank, world_size=2)
    found = list(detections_of(root).items())
    callback = CocoMap()
    callback._detections = dict(found[rank::2] + found[:rank])
    evaluator = CocoKeypointEvaluator(root / "annotations/person_keypoints_val.json", load_skeleton("coco_19"))
    (output / f"{rank}.json").write_text(json.dumps(evaluator.evaluate(callback._gather())))
    dist.destroy_process_group()


def test_ap_of_two_processes_is_that_of_one(scenes, tmp_path):
    evaluator = CocoKeypointEvaluator(scenes / "annotations/person_keypoints_val.json", load_skeleton("coco_19"))
    alone = evaluator.evaluate(detections_of(scenes))
    assert 0.05 < alone["AP"] < 0.95
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mp.spawn(gather, args=(port, scenes, tmp_path), nprocs=2)
    for rank in range(2):
        together = json.loads((tmp_path / f"{rank}.json").read_text())
        assert together["AP"] == pytest.approx(alone["AP"], abs=1e-9)
        assert together["AR"] == pytest.approx(alone["AR"], abs=1e-9)


def test_two_processes_train(scenes, tmp_path):
    overrides = [
        "data=folder",
        f"data.root={scenes}",
        "model=hourglass_tiny",
        "model.trunk.channels=[8,12,16]",
        "model.trunk.blocks=[1,1,1]",
        "augmentation=small",
        "augmentation.crop_size=[64,64]",
        "preprocessing.long_side=64",
        "data.multiple=16",
        "data.batch_size=4",
        "data.num_workers=1",
        "trainer=ddp_cpu",
        "trainer.max_epochs=2",
        "trainer.check_val_every_n_epoch=1",
        "trainer.enable_progress_bar=false",
        f"hydra.run.dir={tmp_path}",
    ]
    process = subprocess.run(
        [sys.executable, "-m", "gog_pose.cli.train", *overrides],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=300,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    result = json.loads((tmp_path / "results.json").read_text())
    assert result["images"] == 5
    assert result["steps"] == 4  # 8 images, 4 a step over both processes, 2 epochs
    assert (tmp_path / "checkpoints/last.ckpt").exists()
