"""Targets equal the paper's formulas, written once more as plain loops."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gog_pose.encoding import PoseEncoder
from gog_pose.errors import InputError
from gog_pose.skeleton import Skeleton, load_skeleton

CHAIN = Skeleton("chain", ["a", "b", "c"], [[0, 1], [1, 2]], [], [0.1, 0.1, 0.1])
SIZE = (48, 64)


def encode_by_loops(encoder, keypoints, scales, size):
    """The definition of Sec. 2.2 and 2.3, cell by cell."""
    stride, skeleton = encoder.stride, encoder.skeleton
    height, width = size[0] // stride, size[1] // stride
    heatmaps = np.zeros((skeleton.num_keypoints, height, width))
    offsets = np.zeros((2 * skeleton.num_limbs, height, width))
    weights = np.zeros((skeleton.num_limbs, height, width))

    def labelled(point):
        return point[2] > 0

    for v in range(height):
        for u in range(width):
            x, y = stride * u + stride / 2 - 0.5, stride * v + stride / 2 - 0.5
            for channel in range(skeleton.num_keypoints):
                for person in keypoints:
                    if labelled(person[channel]):
                        squared = (x - person[channel, 0]) ** 2 + (y - person[channel, 1]) ** 2
                        response = math.exp(-squared / (2 * encoder.sigma**2))
                        if response >= encoder.min_response:
                            heatmaps[channel, v, u] = max(heatmaps[channel, v, u], response)
            for limb, (start, end) in enumerate(skeleton.limbs):
                nearest = math.inf
                for person, scale in zip(keypoints, scales, strict=True):
                    if not (labelled(person[start]) and labelled(person[end])):
                        continue
                    # The support is centred on the cell nearest to the start keypoint.
                    u0 = math.floor((float(person[start, 0]) - stride / 2 + 0.5) / stride + 0.5)
                    v0 = math.floor((float(person[start, 1]) - stride / 2 + 0.5) / stride + 0.5)
                    distance = (x - person[start, 0]) ** 2 + (y - person[start, 1]) ** 2
                    if max(abs(u - u0), abs(v - v0)) <= encoder.support // 2 and distance < nearest:
                        nearest = distance
                        offsets[2 * limb, v, u] = person[end, 0] - x
                        offsets[2 * limb + 1, v, u] = person[end, 1] - y
                        weights[limb, v, u] = 1 / max(scale, 1.0)
    return heatmaps, offsets, weights


def drawn(targets):
    """The fields of targets that are not None."""
    return [field for field in targets if field is not None]


def assert_equal_to_loops(encoder, keypoints, scales):
    targets = encoder(keypoints, scales, SIZE)
    heatmaps, offsets, weights = encode_by_loops(encoder, keypoints, scales, SIZE)
    np.testing.assert_allclose(targets.heatmaps, heatmaps, atol=2e-5)
    np.testing.assert_allclose(targets.offset_weights, weights, rtol=1e-5)
    np.testing.assert_allclose(targets.offsets, offsets, atol=1e-4)


# Multiples of 1/3: nothing lies on the border between two cells, where float32 and float64 may choose differently.
coordinates = st.integers(-60, 240).map(lambda third: third / 3 + 0.1)


@settings(max_examples=25, deadline=None)
@given(data=st.data(), people=st.integers(0, 4), support=st.sampled_from([1, 3, 7]), stride=st.sampled_from([1, 2, 4]))
def test_targets_equal_the_definition(data, people, support, stride):
    xy = data.draw(hnp.arrays(np.float64, (people, 3, 2), elements=coordinates))
    visibility = data.draw(hnp.arrays(np.float64, (people, 3, 1), elements=st.sampled_from([0, 1, 2])))
    keypoints = np.concatenate([xy, visibility], axis=-1).astype(np.float32)
    scales = data.draw(hnp.arrays(np.float32, people, elements=st.integers(0, 50).map(float)))
    encoder = PoseEncoder(CHAIN, stride=stride, support=support, sigma=3.0)
    if stride == 1:
        keypoints = keypoints[:2]  # the loops are slow
        scales = scales[:2]
    assert_equal_to_loops(encoder, keypoints, scales)


def test_hand_computed_heatmap_around_a_cell_centre():
    """A keypoint on the centre of cell (2, 2), sigma one cell: responses of a unit Gaussian."""
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


def test_order_of_people_does_not_matter():
    random = np.random.default_rng(3)
    keypoints = np.concatenate([random.uniform(0, 48, (6, 3, 2)), np.full((6, 3, 1), 2)], axis=-1)
    scales = random.uniform(5, 50, 6)
    encoder = PoseEncoder(CHAIN)
    order = random.permutation(6)
    one, other = encoder(keypoints, scales, SIZE), encoder(keypoints[order], scales[order], SIZE)
    for a, b in zip(drawn(one), drawn(other), strict=True):
        assert torch.equal(a, b)


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


@pytest.mark.parametrize("options", [{"stride": 0}, {"sigma": 0.0}, {"support": 4}, {"min_response": 0.0}])
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
    """Heatmaps are the same; offsets are, where the public rules agree with ours (one person near, 7 cells wide)."""
    record = np.load(golden / f"{name}.npz")
    encoder = PoseEncoder(load_skeleton(f"coco_{int(record['limbs'])}"))
    boxes = record["boxes"]
    targets = encoder(record["keypoints"], np.sqrt(boxes[:, 2] * boxes[:, 3]), tuple(int(s) for s in record["size"]))
    np.testing.assert_allclose(targets.heatmaps, record["heatmaps"], atol=1e-5)

    theirs, ours = record["offsets"], targets.offsets.numpy()
    both = np.isfinite(theirs) & np.repeat(targets.offset_weights.numpy() > 0, 2, axis=0)
    assert both.sum() > 0.9 * np.isfinite(theirs).sum()
    same = np.abs(theirs - ours)[both] < 1e-3
    assert same.mean() > 0.9
