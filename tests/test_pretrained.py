"""The bundled model finds the people in a photograph, right after installation and without any argument."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gog_pose import PoseEstimator
from gog_pose.checkpoints.registry import BUNDLED, WEIGHTS, find_weights
from gog_pose.checkpoints.transfer import start_from
from gog_pose.networks import PoseNetwork

PHOTO = Path(__file__).resolve().parents[1] / "docs/photo.jpg"
STANDING = (256, 282), (472, 272)  # x, y of two people in the front, px


@pytest.fixture(scope="module")
def estimator():
    return PoseEstimator.pretrained()


def test_it_finds_the_people_in_front(estimator):
    poses = estimator.predict(PHOTO).above(0.25)
    assert len(poses) >= 4
    centers = np.stack([person[person[:, 2] > 0, :2].mean(axis=0) for person in poses.keypoints])
    for place in STANDING:
        assert np.hypot(*(centers - place).T).min() < 30


def test_its_mirror_image_has_the_same_people(estimator):
    image = np.asarray(Image.open(PHOTO).convert("RGB"))
    best, mirrored = (estimator.predict(np.ascontiguousarray(one)).scores[0] for one in (image, image[:, ::-1]))
    assert mirrored == pytest.approx(best, abs=0.15)


def test_the_registry_says_what_the_file_is(estimator):
    weights = next(weights for weights in WEIGHTS if weights.name == BUNDLED)
    assert estimator.network.method == weights.method
    assert estimator.network.to_dict()["trunk"]["name"] == weights.trunk
    assert find_weights(BUNDLED).stat().st_size <= 10_000_000
    assert all(tensor.isfinite().all() for tensor in estimator.network.state_dict().values())


def test_a_training_starts_from_it(estimator):
    network = estimator.network
    new = PoseNetwork.from_dict(network.skeleton, network.method, network.to_dict())
    transfer = start_from(new, find_weights(BUNDLED))
    assert not transfer.new
    assert all(torch.equal(tensor, network.state_dict()[name]) for name, tensor in new.state_dict().items())


def test_predict_needs_a_photograph_and_nothing_else(tmp_path):
    command = [sys.executable, "-m", "gog_pose.cli.predict", f"source={PHOTO}", "output=poses"]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    assert (tmp_path / "poses/photo.png").is_file()
    people = json.loads((tmp_path / "poses/predictions.json").read_text())
    assert sum(person["score"] > 0.25 for person in people) >= 4
