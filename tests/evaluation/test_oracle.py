"""Ground-truth maps give the people back: the upper bound of encoder and decoder."""

import numpy as np
import pytest
import torch

from gog_pose.data.coco import CocoKeypoints
from gog_pose.data.dataset import WholeImages
from gog_pose.data.synthetic import synthesize
from gog_pose.decoding import GogDecoder
from gog_pose.encoding import PoseEncoder
from gog_pose.evaluation import CocoKeypointEvaluator, oracle_detections
from gog_pose.preprocessing import Preprocessing
from gog_pose.skeleton import load_skeleton


def upper_bound(root, split, skeleton_name, long_side, limit=None):
    skeleton = load_skeleton(skeleton_name)
    annotations = root / f"annotations/person_keypoints_{split}.json"
    images = CocoKeypoints(annotations, root / split, 17)
    samples = WholeImages(
        images, images.with_labelled_people()[:limit], PoseEncoder(skeleton), Preprocessing(long_side=long_side), 64
    )
    detections = oracle_detections((samples[i] for i in range(len(samples))), GogDecoder(skeleton))
    return CocoKeypointEvaluator(annotations, skeleton).evaluate(detections)["AP"]


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory):
    root = tmp_path_factory.mktemp("synthetic")
    synthesize(root, num_train=1, num_val=12, seed=5, image_size=(240, 320), height_range=(80, 200), workers=0)
    return root


@pytest.mark.parametrize("name", ["coco_19", "coco_44"])
def test_upper_bound_on_synthetic_people(synthetic, name):
    assert upper_bound(synthetic, "val", name, long_side=320) > 0.85


def test_upper_bound_on_real_people(real_data):
    """100 photographs at 640 px; the paper has 0.866 on all of val2017, the limb graph alone allows about 0.9."""
    assert upper_bound(real_data, "val", "coco_19", long_side=640, limit=100) > 0.88


def test_nobody_in_nobody_out():
    skeleton = load_skeleton("coco_19")
    targets = PoseEncoder(skeleton)(np.zeros((0, 17, 3)), np.zeros(0), (64, 64))

    class Empty:
        image_id = 3
        matrix = torch.eye(3, dtype=torch.float64)

    Empty.targets = targets
    assert oracle_detections([Empty()], GogDecoder(skeleton)) == {3: []}
