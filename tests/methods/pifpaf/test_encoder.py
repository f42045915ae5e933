"""Targets: against loops over people and cells, and what the golden files do not show."""

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gog_pose.errors import InputError
from gog_pose.geometry import cells_to_image
from gog_pose.methods.people import People
from gog_pose.methods.pifpaf.encoder import PifpafEncoder
from gog_pose.methods.pifpaf.reference import encode_plainly
from gog_pose.skeleton import Skeleton

TRIO = Skeleton("trio", ["a", "b", "c"], [(0, 1), (2, 1)], [(0, 2)], [0.1, 0.2, 0.1])


def people_of(keypoints):
    keypoints = np.asarray(keypoints, dtype=np.float32).reshape(-1, 3, 3)
    return People(keypoints, np.ones(len(keypoints), dtype=np.float32), np.zeros((len(keypoints), 4)))


def drawn(keypoints, *, size=(48, 64), ignore=None, **options):
    encoder = PifpafEncoder(TRIO, **options)
    return encoder.render(encoder.marks(people_of(keypoints), size, ignore))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(0, 4), st.sampled_from([(4, 1), (4, 2), (8, 1)]))
@example(610, 3, (4, 2))  # a square halfway between two cells
def test_targets_against_loops(seed, count, strides):
    random = np.random.default_rng(seed)
    keypoints = np.concatenate([random.integers(-8, 72, (count, 3, 2)), random.integers(0, 3, (count, 3, 1))], axis=2)
    encoder = PifpafEncoder(TRIO, stride=strides[0], coarser=strides[1])
    people = people_of(keypoints)
    targets = encoder.render(encoder.marks(people, (48, 64)))
    heatmaps, limb_heatmaps = encode_plainly(encoder, people.keypoints, people.scales, (48, 64))
    np.testing.assert_array_equal(targets.heatmaps[0], heatmaps)
    np.testing.assert_array_equal(targets.limb_heatmaps[0], limb_heatmaps)
    alone = [encode_plainly(encoder, one[None], people.scales, (48, 64))[0] for one in people.keypoints]
    for kind, row, column in zip(*np.nonzero(heatmaps), strict=True):
        cell = cells_to_image(np.array([column, row], dtype=float), strides[0] * strides[1])
        labeled = people.keypoints[[own[kind, row, column] > 0 for own in alone]]  # whose squares have the cell
        vector = targets.vectors[0, 2 * kind : 2 * kind + 2, row, column].numpy()
        nearest = np.linalg.norm(labeled[:, kind, :2] - cell, axis=1).min()
        np.testing.assert_allclose(np.linalg.norm(vector), nearest, atol=1e-3)
        assert np.abs(labeled[:, kind, :2] - cell - vector).max(axis=1).min() < 1e-3


def test_one_person_by_hand():
    """Cells of 4 px stand at 1.5, 5.5, ...: a at cell (3, 2), b at cell (9, 2)."""
    targets = drawn([[13.6, 9.6, 2], [37.6, 9.6, 2], [0, 0, 0]])
    a = targets.heatmaps[0, 0]
    assert torch.nonzero(a).tolist() == [[y, x] for y in range(1, 5) for x in range(2, 6)]
    assert targets.vectors[0, :2, 2, 4].tolist() == pytest.approx([13.6 - 17.5, 9.6 - 9.5], abs=1e-5)
    assert not targets.scales[0, 0].any(), "both keypoints lie on a line, which has no area"
    assert torch.nonzero(targets.limb_heatmaps[0, 0].any(dim=0)).ravel().tolist() == list(range(4, 9)), (
        "two cells at each end are free"
    )
    starts, ends = targets.limb_vectors[0, :2, 2, 6], targets.limb_vectors[0, 4:6, 2, 6]
    assert starts.tolist() == pytest.approx([13.6 - 25.5, 0.1], abs=1e-5)
    assert ends.tolist() == pytest.approx([37.6 - 25.5, 0.1], abs=1e-5)
    assert not targets.limb_heatmaps[0, 1].any(), "c is not labeled"


def test_scales_are_oks_sigmas_of_the_spanned_area():
    targets = drawn([[10, 10, 2], [20, 40, 1], [30, 20, 2]])
    for kind, sigma in enumerate(TRIO.oks_sigmas):
        taught = targets.scales[0, kind][targets.heatmaps[0, kind] > 0]
        np.testing.assert_allclose(taught, sigma * np.sqrt(20 * 30), rtol=1e-5)


def test_the_fields_may_be_coarser_than_the_features():
    coarse, alone = (
        drawn([[10, 10, 2], [20, 40, 1], [30, 20, 2]], coarser=2),
        drawn([[10, 10, 2], [20, 40, 1], [30, 20, 2]], stride=8),
    )
    for one, other in zip(coarse, alone, strict=True):
        torch.testing.assert_close(one, other, atol=0, rtol=0)
    assert coarse.heatmaps.shape == (1, 3, 6, 8)


@pytest.mark.parametrize("options", [{"stride": 0}, {"coarser": 0}, {"side": 0}, {"width": 0}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(InputError, match="encoder"):
        PifpafEncoder(TRIO, **options)
    with pytest.raises(InputError, match="limbs"):
        PifpafEncoder(Skeleton("points", ["a"], [], [], [0.1]))


def test_shapes_that_do_not_fit_are_refused():
    encoder = PifpafEncoder(TRIO)
    with pytest.raises(ValueError, match=r"\(P, 3, 3\)"):
        encoder.marks(People(np.zeros((1, 2, 3)), np.ones(1), np.zeros((1, 4))), (48, 64))
    with pytest.raises(ValueError, match="multiple of the stride"):
        drawn([], size=(50, 64))
