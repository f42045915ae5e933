"""An overfitted network finds its people: encoder, network, loss, decoder and evaluation fit together."""

import json
import sys

import pytest

from gog_pose.cli import train
from gog_pose.data.annotations import CocoKeypoints
from gog_pose.data.samples import WholeImages
from gog_pose.data.synthetic import synthesize
from gog_pose.decoding import GogDecoder
from gog_pose.encoding import PoseEncoder
from gog_pose.evaluation import CocoKeypointEvaluator, oracle_detections
from gog_pose.imaging.preprocessing import Preprocessing
from gog_pose.skeleton import load_skeleton

LONG_SIDE = 192
COPIES = 16  # an epoch is then sixteen steps, not one: most of a short epoch is Lightning's


def list_every_image_again(annotations):
    """Let the file list its images and people ``COPIES`` times, under new ids."""
    content = json.loads(annotations.read_text())
    images, people = content["images"], content["annotations"]
    content["images"] = [{**image, "id": image["id"] + 1000 * copy} for copy in range(COPIES) for image in images]
    content["annotations"] = [
        {**person, "id": person["id"] + 1000 * copy, "image_id": person["image_id"] + 1000 * copy}
        for copy in range(COPIES)
        for person in people
    ]
    annotations.write_text(json.dumps(content))


def oracle_ap(root):
    """Return the result of ground-truth maps of the same images."""
    skeleton = load_skeleton("coco_19")
    annotations = root / "annotations/person_keypoints_train.json"
    images = CocoKeypoints(annotations, root / "train", skeleton.num_keypoints)
    preprocessing = Preprocessing(long_side=LONG_SIDE)
    samples = WholeImages(images, images.with_labelled_people(), PoseEncoder(skeleton), preprocessing, multiple=16)
    detections = oracle_detections((samples[i] for i in range(len(samples))), GogDecoder(skeleton))
    return CocoKeypointEvaluator(annotations, skeleton).evaluate(detections)["AP"]


@pytest.mark.parametrize(("epochs", "share"), [(20, 0.8), pytest.param(40, 0.95, marks=pytest.mark.slow)])
def test_a_small_network_learns_two_scenes_by_heart(tmp_path, monkeypatch, epochs, share):
    synthesize(
        tmp_path, num_train=2, num_val=1, seed=3, image_size=(96, 128), height_range=(60, 90), max_people=3, workers=0
    )
    list_every_image_again(tmp_path / "annotations/person_keypoints_train.json")
    overrides = [
        "experiment=overfit",
        "model=hourglass_tiny",
        "trainer.precision=32-true",
        f"data.root={tmp_path}",
        f"hydra.run.dir={tmp_path / 'run'}",
        f"preprocessing.long_side={LONG_SIDE}",
        "model.trunk.channels=[32,48,64]",
        "model.trunk.blocks=[1,1,1]",
        "data.multiple=16",
        "data.train_limit=null",
        "data.val_limit=null",
        "data.batch_size=2",
        f"trainer.max_epochs={epochs}",
        f"trainer.check_val_every_n_epoch={epochs}",
        "trainer.enable_progress_bar=false",
    ]
    monkeypatch.setattr(sys, "argv", ["gog-train", *overrides])
    train.main()
    learned = json.loads((tmp_path / "run/results.json").read_text())["AP"]
    bound = oracle_ap(tmp_path)
    assert bound > 0.8
    assert learned >= share * bound
