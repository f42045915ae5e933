"""Targets: hand-computed, recorded from the authors' program, and invalid input that the encoder refuses."""

import math

import numpy as np
import pytest
import torch
from gog_definition import CHAIN

from gog_pose.encoding import PoseEncoder
from gog_pose.errors import InputError
from gog_pose.skeleton import load_skeleton

SIZE = (48, 64)


def drawn(targets):
    """The fields of targets that are not None."""
    return [field for field in targets if field is not None]


def test_hand_computed_heatmap_around_a_cell_center():
    """A keypoint on the center of cell (2, 2), sigma one cell: responses of a unit Gaussian."""
    encoder = PoseEncoder(CHAIN, sigma=4.0, min_response=0.1)
    keypoints = np.array([[[9.5, 9.5, 2], [0, 0, 0], [0, 0, 0]]], dtype=np.float32)
    heatmaps = encoder(keypoints, np.array([10.0]), (20, 20)).heatmaps
    e1, e2 = math.exp(-0.5), math.exp(-1)
    f1 = math.exp(-2)
    expected = [
        [0, 0, f1, 0, 0],
        [0, e2, e1, e2, 0],
        [f1, e1, 1, e1, f1],
        [0, e2, e1, e2, 0],
        [0, 0, f1, 0, 0],
    ]
    np.testing.assert_allclose(heatmaps[0], expected, atol=1e-6)
    assert not heatmaps[1:].any()


def test_every_supported_cell_points_at_the_end_keypoint():
    encoder = PoseEncoder(load_skeleton("coco_19"))
    keypoints = np.zeros((1, 17, 3), dtype=np.float32)
    keypoints[0, 5] = [100.3, 60.2, 2]  # left shoulder
    keypoints[0, 7] = [120.9, 90.1, 1]  # left elbow, occluded: labelled all the same
    targets = encoder(keypoints, np.array([80.0]), (128, 256))
    limb = encoder.skeleton.limbs.index((5, 7))
    rows, columns = targets.offset_weights[limb].nonzero(as_tuple=True)
    assert len(rows) == 49
    assert (targets.offset_weights.amax(dim=(1, 2)) > 0).sum() == 1
    end_x = 4 * columns + 1.5 + targets.offsets[2 * limb, rows, columns]
    end_y = 4 * rows + 1.5 + targets.offsets[2 * limb + 1, rows, columns]
    np.testing.assert_allclose(end_x, 120.9, atol=1e-4)
    np.testing.assert_allclose(end_y, 90.1, atol=1e-4)
    assert targets.offset_weights[limb, rows, columns].unique().item() == pytest.approx(1 / 80)


def test_ignored_cells_are_those_with_most_pixels_ignored():
    ignore = np.zeros((16, 16), dtype=bool)
    ignore[:4, :4] = True  # a whole cell
    ignore[4:8, 0:2] = True  # half a cell: still supervised
    ignore[8:12, 0:3] = True  # three quarters
    mask = PoseEncoder(CHAIN)(np.zeros((0, 3, 3)), np.zeros(0), (16, 16), ignore).mask
    expected = torch.ones(1, 4, 4)
    expected[0, 0, 0] = expected[0, 2, 0] = 0
    assert torch.equal(mask, expected)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e9], ids=["nan", "inf", "minus inf", "far away"])
def test_impossible_coordinates_make_no_target(value):
    keypoints = np.full((1, 3, 3), 2.0)
    keypoints[0, :, 0] = value
    targets = PoseEncoder(CHAIN)(keypoints, np.array([10.0]), SIZE)
    assert all(torch.isfinite(field).all() for field in drawn(targets))
    assert not targets.heatmaps.any()


def test_zero_scale_gives_finite_weights():
    keypoints = np.array([[[10, 10, 2], [20, 20, 2], [30, 30, 2]]], dtype=np.float32)
    assert torch.isfinite(PoseEncoder(CHAIN)(keypoints, np.zeros(1), SIZE).offset_weights).all()


@pytest.mark.parametrize(
    "options", [{"stride": 0}, {"sigma": 0.0}, {"support": 4}, {"min_response": 0.0}, {"refinement": 2}]
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(InputError, match="encoder"):
        PoseEncoder(CHAIN, **options)


def test_shapes_that_do_not_fit_are_refused():
    encoder = PoseEncoder(CHAIN)
    with pytest.raises(ValueError, match="keypoints must be"):
        encoder(np.zeros((1, 17, 3)), np.zeros(1), SIZE)
    with pytest.raises(ValueError, match="multiple of the stride"):
        encoder(np.zeros((1, 3, 3)), np.zeros(1), (50, 64))


@pytest.mark.parametrize("name", ["enc_0", "enc_1", "enc_2"])
def test_agrees_with_the_authors_encoder(golden, name):
    """Heatmaps are the same; offsets are, where the public rules agree with ours (one person near, equal supports)."""
    record = np.load(golden / f"{name}.npz")
    encoder = PoseEncoder(load_skeleton(f"coco_{int(record['limbs'])}"), refinement=3)
    boxes = record["boxes"]
    targets = encoder(record["keypoints"], np.sqrt(boxes[:, 2] * boxes[:, 3]), tuple(int(s) for s in record["size"]))
    np.testing.assert_allclose(targets.heatmaps, record["heatmaps"], atol=1e-5)

    theirs, ours = record["offsets"], targets.offsets.numpy()
    both = np.isfinite(theirs) & np.repeat(targets.offset_weights.numpy() > 0, 2, axis=0)
    assert both.sum() > 0.9 * np.isfinite(theirs).sum()
    same = np.abs(theirs - ours)[both] < 1e-3
    assert same.mean() > 0.9

    theirs, ours = record["jitter"], targets.refinements.numpy()
    both = np.isfinite(theirs) & (targets.refinement_weights.numpy() > 0)
    assert both.sum() > 0.9 * np.isfinite(theirs).sum()
    same = (np.abs(theirs - ours) < 1e-3)[both]
    assert same.mean() > 0.97  # where supports of ours and theirs differ by a cell, another keypoint may be nearest
