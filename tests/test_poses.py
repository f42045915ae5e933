"""Poses: chosen by score, drawn, and converted for other programs."""

import sys

import numpy as np
import pytest
from PIL import Image

from gog_pose.drawing import draw_people
from gog_pose.poses import Poses
from gog_pose.skeleton import load_skeleton

SKELETON = load_skeleton("coco_19")
IMAGE = np.full((200, 260, 3), 90, np.uint8)


@pytest.fixture
def poses():
    random = np.random.default_rng(0)
    xy = random.uniform((20, 20), (240, 180), (3, 17, 2))
    keypoints = np.concatenate([xy, np.ones((3, 17, 1))], axis=2).astype(np.float32)
    inferred = random.random((3, 17)) < 0.2
    return Poses(keypoints, np.array([0.9, 0.4, 0.1], np.float32), inferred, SKELETON)


def test_the_best_are_kept_with_all_that_belongs_to_them(poses):
    for chosen, count in ((poses.above(0.3), 2), (poses.above(0.4), 2), (poses.best(1), 1), (poses.above(1.0), 0)):
        assert len(chosen) == count
        np.testing.assert_array_equal(chosen.keypoints, poses.keypoints[:count])
        np.testing.assert_array_equal(chosen.scores, poses.scores[:count])
        np.testing.assert_array_equal(chosen.inferred, poses.inferred[:count])


def test_poses_draw_themselves(poses, tmp_path):
    Image.fromarray(IMAGE).save(tmp_path / "image.png")
    picture = poses.draw(IMAGE)
    assert picture.size == (260, 200)
    shown = poses.above(0.25)
    np.testing.assert_array_equal(picture, draw_people(IMAGE, shown.keypoints, SKELETON, shown.inferred))
    assert (np.asarray(picture) != IMAGE).any()
    np.testing.assert_array_equal(poses.draw(tmp_path / "image.png"), picture)
    np.testing.assert_array_equal(poses.draw(Image.fromarray(IMAGE), min_score=2.0), IMAGE)
    with pytest.raises(ValueError, match="skeleton"):
        Poses(poses.keypoints, poses.scores).draw(IMAGE)


def test_poses_become_those_of_supervision():
    supervision = pytest.importorskip("supervision")
    keypoints = np.random.default_rng(0).uniform(1, 50, (2, 17, 3)).astype(np.float32)
    keypoints[1, 4] = 0
    converted = Poses(keypoints, np.array([0.9, 0.4], np.float32)).to_supervision()
    assert isinstance(converted, supervision.KeyPoints)
    np.testing.assert_array_equal(converted.xy, keypoints[..., :2])
    np.testing.assert_array_equal(converted.keypoint_confidence, keypoints[..., 2])
    assert len(Poses(keypoints[:0], np.zeros(0, np.float32)).to_supervision()) == 0


def test_without_supervision_the_package_to_install_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(ImportError, match="pip install 'supervision"):
        Poses(np.zeros((0, 17, 3), np.float32), np.zeros(0, np.float32)).to_supervision()
