"""Two processes have the gradients and the AP of one process, train together, and end together."""

import json
import os
import shutil
import socket
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from offline_runs import records
from small_runs import small_scenes
from torch.nn.parallel import DistributedDataParallel

from gog_pose.encoding import PoseEncoder
from gog_pose.evaluation import CocoKeypointEvaluator
from gog_pose.maps.records import stacked
from gog_pose.methods.gog.heads import GogHeads
from gog_pose.methods.gog.loss import GogLoss
from gog_pose.networks.network import PoseNetwork
from gog_pose.networks.trunks.hourglass import Hourglass
from gog_pose.poses import Poses
from gog_pose.skeleton import load_skeleton
from gog_pose.training.callbacks import CocoMap


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return small_scenes(tmp_path_factory.mktemp("scenes"), num_train=8, num_val=5)


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


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def join(rank, port):
    """Become one of two processes."""
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    dist.init_process_group("gloo", rank=rank, world_size=2)


def gather(rank, port, root, output):
    """One of two processes: holds every second image and, as Lightning's sampler pads, one of the other's."""
    join(rank, port)
    found = list(detections_of(root).items())
    callback = CocoMap()
    callback._detections = dict(found[rank::2] + found[:rank])
    evaluator = CocoKeypointEvaluator(root / "annotations/person_keypoints_val.json", load_skeleton("coco_19"))
    (output / f"{rank}.json").write_text(json.dumps(evaluator.evaluate(callback._gather())))
    dist.destroy_process_group()


def test_ap_of_two_processes_is_that_of_one(scenes, tmp_path, port):
    evaluator = CocoKeypointEvaluator(scenes / "annotations/person_keypoints_val.json", load_skeleton("coco_19"))
    alone = evaluator.evaluate(detections_of(scenes))
    assert 0.05 < alone["AP"] < 0.95
    mp.spawn(gather, args=(port, scenes, tmp_path), nprocs=2)
    for rank in range(2):
        together = json.loads((tmp_path / f"{rank}.json").read_text())
        assert together["AP"] == pytest.approx(alone["AP"], abs=1e-9)
        assert together["AR"] == pytest.approx(alone["AR"], abs=1e-9)


def samples():
    """Four images and their targets: from no person to five, from nothing ignored to most of the image."""
    random = np.random.default_rng(0)
    encoder = PoseEncoder(load_skeleton("coco_19"), stride=4, sigma=7.0, refinement=3)
    targets = []
    for num_people, num_ignored in [(5, 0), (0, 10), (1, 50), (2, 30)]:
        xy = random.uniform(0, 64, (num_people, 17, 2))
        keypoints = np.concatenate([xy, random.integers(0, 3, (num_people, 17, 1))], axis=2).astype(np.float32)
        ignore = np.zeros((64, 64), dtype=bool)
        ignore[:num_ignored] = True
        scales = random.uniform(10, 60, num_people).astype(np.float32)
        targets.append(encoder(keypoints, scales, image_size=(64, 64), ignore=ignore))
    images = torch.from_numpy(random.normal(size=(4, 3, 64, 64)).astype(np.float32))
    return images, targets


def gradients(network, rows):
    """The gradients of the mean over some of the images, by parameter, with fixed batch statistics."""
    images, targets = samples()
    network.eval()
    GogLoss()(network(images[rows]), stacked(targets[rows])).total.backward()
    return {name.removeprefix("module."): parameter.grad for name, parameter in network.named_parameters()}


def small_network():
    torch.manual_seed(0)
    trunk = Hourglass(stacks=2, channels=(8, 12, 16), blocks=(1, 1, 1), stem_channels=4)
    return PoseNetwork(load_skeleton("coco_19"), trunk, partial(GogHeads, offset_unit=8.0, refinement=3))


def share_gradients(rank, port, output):
    """One of two processes: sees half of the images."""
    join(rank, port)
    half = slice(2 * rank, 2 * rank + 2)
    torch.save(gradients(DistributedDataParallel(small_network()), half), output / f"{rank}.pt")
    dist.destroy_process_group()


def test_gradients_of_two_processes_are_those_of_one(tmp_path, port):
    alone = gradients(small_network(), slice(0, 4))
    mp.spawn(share_gradients, args=(port, tmp_path), nprocs=2)
    for rank in range(2):
        together = torch.load(tmp_path / f"{rank}.pt")
        assert together.keys() == alone.keys()
        for name, gradient in alone.items():
            assert gradient.abs().max() > 0, name
            assert (together[name] - gradient).abs().max() < 1e-5 * gradient.abs().max(), name


RUN = [
    "data=folder",
    "model=hourglass_tiny",
    "model.trunk.channels=[8,12,16]",
    "model.trunk.blocks=[1,1,1]",
    "augmentation=small",
    "augmentation.crop_size=[64,64]",
    "preprocessing.long_side=64",
    "data.multiple=16",
    "data.batch_size=4",
    "trainer=ddp_cpu",
    "trainer.max_epochs=2",
    "trainer.check_val_every_n_epoch=1",
    "trainer.enable_progress_bar=false",
    "~callbacks.pictures",
]


def run(*command):
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=300,
        check=False,
    )


def require_trained(output):
    result = json.loads((output / "results.json").read_text())
    assert result["images"] == 5
    assert result["steps"] == 4  # 8 images, 4 a step over both processes, 2 epochs
    assert (output / "checkpoints/last.ckpt").exists()


def test_two_processes_train(scenes, tmp_path):
    overrides = [f"data.root={scenes}", f"hydra.run.dir={tmp_path}", "data.num_workers=1", "logger=wandb"]
    process = run(sys.executable, "-m", "gog_pose.cli.train", *RUN, *overrides)
    assert process.returncode == 0, process.stderr
    require_trained(tmp_path)
    (artifact,) = records(tmp_path, "artifact")  # of the one run that there is
    assert artifact.type == "detections"
    assert artifact.manifest.contents[0].size == (tmp_path / "detections.json").stat().st_size


@pytest.mark.slow
def test_two_processes_of_torchrun_train(scenes, tmp_path):
    """As on several nodes: each process has a folder of its own, as it has by its own clock; the first one's counts."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    overrides = [f"data.root={scenes}", f"hydra.run.dir={tmp_path}/${{oc.env:RANK}}", "data.num_workers=0"]
    process = run(*torchrun, "-m", "gog_pose.cli.train", *RUN, *overrides)
    assert process.returncode == 0, process.stderr
    require_trained(tmp_path / "0")


@pytest.mark.slow
def test_a_corrupt_validation_image_of_the_second_process_ends_both_in_one_line(scenes, tmp_path):
    root = shutil.copytree(scenes, tmp_path / "scenes")
    (root / "val" / sorted(path.name for path in (root / "val").iterdir())[1]).write_bytes(b"")
    overrides = [f"data.root={root}", f"hydra.run.dir={tmp_path}/run", "data.num_workers=1"]
    process = run(sys.executable, "-m", "gog_pose.cli.train", *RUN, *overrides)
    assert process.returncode == 2, process.stderr
    assert "Traceback" not in process.stderr
    assert [line for line in process.stderr.splitlines() if "error: " in line and ".jpg" in line]


# gog-train, interrupted in its second process only, before the second step.
INTERRUPTED = """
import signal
from gog_pose.training.callbacks import GradientNorm
from gog_pose.cli import train

def interrupt(callback, trainer, module, optimizer):
    if trainer.global_step == 1 and trainer.global_rank == 1:
        signal.raise_signal(signal.SIGINT)

GradientNorm.on_before_optimizer_step = interrupt
train.main()
"""


@pytest.mark.slow
def test_an_interrupt_of_one_process_ends_both_after_the_same_step(scenes, tmp_path):
    program = tmp_path / "interrupted.py"
    program.write_text(INTERRUPTED)
    overrides = [f"data.root={scenes}", f"hydra.run.dir={tmp_path}", "data.num_workers=0"]
    process = run(sys.executable, program, *RUN, *overrides)
    assert process.returncode == 130, process.stderr
    interrupted = tmp_path / "checkpoints/interrupted.ckpt"
    assert f"resume={interrupted}" in process.stderr
    assert torch.load(interrupted)["global_step"] == 2
