"""Checkpoints that the first version of the package wrote still give the same people."""

from pathlib import Path

import numpy as np
import pytest

from gog_pose import PoseEstimator
from gog_pose.checkpoints import read_checkpoint
from gog_pose.checkpoints.older_formats import converted, converted_preprocessing

DATA = Path(__file__).parent / "data"


@pytest.mark.parametrize("method", ["gog", "centernet"])
def test_a_file_of_format_1_finds_the_same_people(method):
    recorded = np.load(DATA / "format1.npz")
    estimator = PoseEstimator.from_checkpoint(DATA / f"format1_{method}.ckpt")
    poses = estimator.predict(recorded["image"])
    assert estimator.network.method == method
    assert len(recorded[f"{method}_scores"]) > 1
    np.testing.assert_allclose(poses.keypoints, recorded[f"{method}_keypoints"], atol=1e-4)
    np.testing.assert_allclose(poses.scores, recorded[f"{method}_scores"], atol=1e-6)


def test_a_description_of_format_1_becomes_one_of_format_3():
    description = read_checkpoint(DATA / "format1_gog.ckpt")["gog_pose"]
    assert description["format"] == 3
    assert description["method"] == "gog"
    assert description["network"]["trunk"]["name"] == "hourglass"
    assert description["network"]["heads"] == {"offset_unit": 32.0, "refinement": True}
    assert description["decoder"]["localizer"] == "bicubic"
    assert not {"method", "localiser"} & set(description["decoder"])


def test_the_layout_of_images_has_another_name():
    description = read_checkpoint(DATA / "format1_gog.ckpt")["gog_pose"]
    assert description["preprocessing"]["layout"] == "letterbox"
    assert converted_preprocessing({"layout": "centernet"}) == {"layout": "centered"}


def test_an_unknown_grouping_is_not_converted():
    description = {"format": 1, "network": {"grouping": "other", "trunk": {}, "offset_unit": 1.0}, "decoder": {}}
    with pytest.raises(KeyError, match="other"):
        converted(description)


def test_a_description_of_format_2_has_the_decoder_of_format_3():
    description = {"format": 2, "method": "gog", "decoder": {"name": "gog", "support": 0.25, "reach": 0.5}}
    assert converted(description) == {
        "format": 3, "method": "gog", "decoder": {"name": "gog", "agreement": 0.25, "reach": 0.5},
    }  # fmt: skip
