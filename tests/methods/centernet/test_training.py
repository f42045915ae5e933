"""``method=centernet``: training, rebuilding from a checkpoint, and an oracle that finds all people."""

import json
import sys

import numpy as np
import pytest
from small_runs import SMALL, small_scenes

from gog_pose.cli import train
from gog_pose.data.annotations import CocoKeypoints
from gog_pose.estimator import PoseEstimator
from gog_pose.evaluation.oracle.noise import MapNoise
from gog_pose.evaluation.oracle.oracle import Oracle, images_with_labelled_people
from gog_pose.methods.centernet.decoder import CenterDecoder
from gog_pose.methods.centernet.encoder import CenterEncoder
from gog_pose.skeleton import load_skeleton

SKELETON = load_skeleton("coco_19")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return small_scenes(tmp_path_factory.mktemp("scenes"), num_train=8, num_val=3)


@pytest.fixture(scope="module")
def run(scenes, tmp_path_factory):
    """Train two epochs of two steps; return the folder."""
    output = tmp_path_factory.mktemp("run")
    overrides = ["data=folder", *SMALL, "method=centernet", "trainer.max_epochs=2", "trainer.precision=bf16-mixed"]
    overrides += ["trainer.log_every_n_steps=1"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["gog-train", *overrides, f"data.root={scenes}", f"hydra.run.dir={output}"])
        train.main()
    return output


def test_it_trains_logs_its_terms_and_evaluates(run):
    header, *_ = (run / "csv/version_0/metrics.csv").read_text().splitlines()
    names = {"center", "heatmap", "offset", "size", "center_refinement", "refinement"}
    assert {f"{split}/{name}_0" for split in ("train", "val") for name in names} <= set(header.split(","))
    assert json.loads((run / "results.json").read_text())["AP"] >= 0
    assert (run / "pictures/epoch_0001_maps.png").is_file()


def test_its_checkpoint_is_enough_to_find_people(run, scenes):
    estimator = PoseEstimator.from_checkpoint(run / "checkpoints/last.ckpt", decoder={"topk": 5})
    assert estimator.decoder == CenterDecoder(SKELETON, topk=5)
    image = next((scenes / "val").iterdir())
    poses = estimator.predict(image)
    assert poses.keypoints.shape == (5, 17, 3)  # whoever is meant by them: it has hardly begun
    both = PoseEstimator.from_checkpoint(run / "checkpoints/last.ckpt", decoder={"topk": 5}, flip=True).predict(image)
    assert not np.array_equal(both.keypoints, poses.keypoints)


def test_resuming_with_another_method_is_refused(run, scenes, monkeypatch, capsys):
    overrides = ["data=folder", *SMALL, f"data.root={scenes}", f"resume={run / 'checkpoints/last.ckpt'}"]
    monkeypatch.setattr(sys, "argv", ["gog-train", *overrides, f"hydra.run.dir={run / 'other'}"])
    with pytest.raises(SystemExit, match="2"):
        train.main()
    assert "set method=centernet" in capsys.readouterr().err


def test_the_oracle_finds_everybody_and_noise_costs_some(scenes):
    annotations = scenes / "annotations/person_keypoints_val.json"
    images = images_with_labelled_people(CocoKeypoints(annotations, None, 17))
    people = sum(len(image.keypoints) for image in images)

    def found(noise, support):
        oracle = Oracle(CenterEncoder(SKELETON, support=support), CenterDecoder(SKELETON), noise, long_side=256)
        answers = [oracle(image) for image in images]
        return sum("intact" in verdict.failures for answer in answers for verdict in answer.diagnosis.people), answers

    intact, answers = found(MapNoise(), 1)
    assert intact >= 0.8 * people  # small people share cells
    assert sum(len(answer.poses) for answer in answers) == people
    disturbed, _ = found(MapNoise(displacement=2.0, fading=1.0, spurious=1.0, offset_noise=0.3), 7)
    assert disturbed < 0.8 * people
    again, _ = found(MapNoise(displacement=2.0, fading=1.0, spurious=1.0, offset_noise=0.3), 7)
    assert disturbed == again
