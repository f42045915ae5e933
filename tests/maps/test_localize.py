"""Localizers: sub-pixel positions are recovered, broken maps move nothing far, refinement offsets are added."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gog_pose.decoding import GogDecoder, PoseMaps
from gog_pose.errors import InputError
from gog_pose.geometry import cells_to_image, image_to_cells
from gog_pose.maps.localize import TAPS, climb, first_cells, taylor, windows
from gog_pose.maps.peaks import LOCALIZERS, Peaks, find_peaks, refine_peaks
from gog_pose.maps.surface import blocks, whole_maps
from gog_pose.methods.gog.reference import dense
from gog_pose.skeleton import Skeleton

PLACES = np.random.default_rng(0).uniform(24, 40, (64, 2))  # px, far from the border of the maps below
SMALL = Skeleton("small", ["nose", "left", "right"], [(0, 1), (0, 2), (1, 2)], [(1, 2)], [0.1, 0.1, 0.1])


def gaussians(places, stride=4, sigma=7.0, side=64, lowest=0.01):
    """Return a (1, N, h, w) heatmap for each place, as targets are drawn."""
    cells = cells_to_image(torch.arange(side // stride, dtype=torch.float64), stride)
    places = torch.as_tensor(places)[:, :, None]
    x, y = (torch.exp(-((cells - places[:, axis]) ** 2) / (2 * sigma**2)) for axis in range(2))
    heatmaps = y[:, :, None] * x[:, None, :]
    return torch.where(heatmaps >= lowest, heatmaps, 0.0).float()[None]


def errors(places, localizer, stride=4, sigma=7.0, **options):
    """Return the distance of each keypoint from where it is found, px."""
    maps = gaussians(places, stride, sigma, **options)
    peaks = find_peaks(maps, stride=stride, topk=1, threshold=0.04, localizer=localizer, sigma=sigma)
    return np.linalg.norm(peaks.xy[0, :, 0].numpy() - places, axis=1)


@pytest.mark.parametrize(("stride", "sigma"), [(1, 3.0), (2, 7.0), (4, 7.0), (4, 9.0), (8, 12.0)])
def test_subpixel_recovers_fractions(stride, sigma):
    """Reached: 0.0003 px. The best pixel alone is wrong by 0.4 px on average."""
    assert errors(PLACES, "subpixel", stride, sigma).max() < 0.002
    assert errors(PLACES, "bicubic", stride, sigma).mean() > 0.3


def test_dark_recovers_fractions_of_an_exact_gaussian():
    """Reached: 0.0003 px; 0.002 px where the targets end at 1 %."""
    assert errors(PLACES, "dark", lowest=0.0).max() < 0.001
    assert errors(PLACES, "dark").max() < 0.005


def test_cell_is_the_nearest_cell():
    maps = gaussians(PLACES)
    peaks = find_peaks(maps, stride=4, topk=1, threshold=0.04, localizer="cell")
    nearest = np.rint(image_to_cells(PLACES, 4))
    np.testing.assert_array_equal(peaks.xy[0, :, 0], cells_to_image(nearest, 4))
    np.testing.assert_array_equal(peaks.responses[0, :, 0], maps.amax((0, 2, 3)))


@settings(max_examples=30, deadline=None)
@example(1, 2, 0.5625)  # a narrow ridge, bent
@given(st.integers(0, 2**31), st.sampled_from([2, 4]), st.floats(0.0, 1.0))
def test_climbing_ends_at_the_maximum_of_the_surface(seed, stride, roughness):
    """No sample next to where it ends is higher, of the surface sampled sixteen times as densely."""
    side = 32 // stride
    rough = torch.rand(1, side, side, generator=torch.Generator().manual_seed(seed)) * roughness
    maps = gaussians([(20.3, 23.1)], stride, side=32)[0] + rough
    peaks = find_peaks(maps[None], stride=stride, topk=20, threshold=0.04)
    found = peaks.responses[0, 0] > 0
    xy = peaks.xy[0, 0, found].numpy()
    first = first_cells(xy, stride)
    cells = windows(maps.numpy(), np.zeros(len(xy), dtype=int), first, TAPS)
    places, tops = climb(cells, first, np.array([side, side]), xy, stride)
    assert (np.abs(places - xy) <= 1 + 1e-9).all()
    assert (tops >= peaks.responses[0, 0, found].numpy() - 1e-6).all()

    image = F.interpolate(maps[None].double(), scale_factor=16 * stride, mode="bicubic", align_corners=False)
    surface = image[0, 0].numpy()
    fine = (np.arange(len(surface)) + 0.5) / 16 - 0.5  # px
    for peak, place, top in zip(xy, places, tops, strict=True):
        inside = [(np.abs(fine - peak[axis]) <= 1) & (np.abs(fine - place[axis]) <= 0.125) for axis in range(2)]
        near = surface[np.ix_(inside[1], inside[0])]
        # Newton stops after a step of 1e-2 cells, which misses by more where the curvature jumps, between two cells;
        # the best pixels miss by 1e-2.
        assert top >= near.max() - 1e-3
        assert top <= near.max() + 0.01  # it is a point of the surface


def test_dark_moves_by_the_kernel_at_most_and_stays_where_there_is_no_summit():
    maps = np.zeros((3, 9, 9), dtype=np.float32)
    maps[0, 4, 2:7] = 1.0  # a ridge: not a summit of its own
    maps[1, 4, 4] = -1.0
    maps[2] = np.arange(81).reshape(9, 9)  # a slope: the summit is far away
    cell = np.full((3, 2), 4.0)
    for sigma in (0.0, 0.3):
        moved = taylor(maps, np.arange(3), cell, sigma)
        assert np.isfinite(moved).all()
        assert (np.abs(moved - cell) <= 1).all()
        np.testing.assert_array_equal(moved[1:], cell[1:])


def test_dark_of_two_people_mixes_them_by_the_kernel_only():
    """At 16 px a neighbor pulls, at 40 px, beyond the kernel, it does not."""
    alone = taylor(gaussians([(29.0, 30.0)])[0].numpy(), np.zeros(1, dtype=int), np.array([[7.0, 7.0]]), 1.75)
    both = {
        distance: taylor(
            gaussians([(29.0, 30.0), (29.0 + distance, 30.0)], side=96)[0].amax(0, keepdim=True).numpy(),
            np.zeros(1, dtype=int),
            np.array([[7.0, 7.0]]),
            1.75,
        )
        for distance in (16, 60)
    }
    np.testing.assert_allclose(both[60], alone, atol=1e-4)
    assert both[16][0, 0] > alone[0, 0]


@st.composite
def broken_maps(draw):
    """Random maps with nan, inf, huge values, constants, plateaus, of one cell and more, of any type."""
    height, width = draw(st.integers(1, 10)), draw(st.integers(1, 10))
    random = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    maps = torch.randn(2, 2, height, width, generator=random)
    kind = draw(st.sampled_from(["noise", "broken", "huge", "constant", "plateaus", "steps"]))
    if kind == "broken":
        for value in (math.nan, math.inf, -math.inf):
            maps[torch.rand(maps.shape, generator=random) < 0.1] = value
    elif kind == "huge":
        maps = maps * 1e30
    elif kind == "constant":
        maps = torch.full_like(maps, draw(st.sampled_from([0.0, 0.5, math.nan, math.inf, -1.0])))
    elif kind == "plateaus":
        maps = maps.round()
    elif kind == "steps":
        maps = (maps > 0).float() + torch.arange(width)
    return maps.to(draw(st.sampled_from([torch.float32, torch.float64, torch.float16, torch.bfloat16])))


def test_a_peak_between_equal_pixels_of_a_broken_map_stays_a_peak():
    maps = torch.tensor([[[[-9e5, -9e5, 4e5, -9e5], [1e6, 1e6, -9e5, -9e5], [-9e5, -9e5, -9e5, -9e5]]]]) * 1e25
    corner = torch.tensor(
        [[[[-9e29, -1.6e30, 4e29], [1.2e30, 1.8e30, -1e29]]], [[[3e29, 1.7e30, -6e28], [9e29, -1.4e30, 2.7e30]]]]
    )
    for some in (maps, corner):
        peaks = find_peaks(some, stride=1, topk=1, threshold=0.04, localizer="subpixel")
        assert (peaks.responses > 0).all()


@settings(max_examples=100, deadline=None)
@given(broken_maps(), st.sampled_from(LOCALIZERS), st.sampled_from([1, 3, 300]), st.sampled_from([1, 2, 4]))
def test_any_map_has_finite_peaks_the_same_by_both_methods_and_alone(maps, localizer, topk, stride):
    options = {"stride": stride, "topk": topk, "threshold": 0.04, "localizer": localizer}
    sparse, dense = (find_peaks(maps, **options, interpolate=interpolate) for interpolate in (blocks, whole_maps))
    assert sparse.xy.dtype == sparse.responses.dtype == torch.float32
    assert sparse.xy.equal(dense.xy)
    assert sparse.responses.equal(dense.responses)
    assert sparse.xy.isfinite().all()
    assert sparse.responses.isfinite().all()
    assert sparse.xy.shape[2] <= topk
    found = sparse.responses > 0
    assert (sparse.xy[~found] == 0).all()
    size = sparse.xy.new_tensor([maps.shape[-1], maps.shape[-2]]) * stride
    reach = stride if localizer == "dark" else 0.5  # px beyond the outer pixels
    assert (sparse.xy[found] >= -reach).all()
    assert (sparse.xy[found] <= size - 1 + reach).all()

    alone = find_peaks(maps[1:], **options)
    count = alone.xy.shape[2]
    assert sparse.xy[1:, :, :count].equal(alone.xy)
    assert (sparse.responses[1:, :, count:] == 0).all()
    promoted = find_peaks(maps.float(), **options)
    assert promoted.xy.equal(sparse.xy)
    assert promoted.responses.equal(sparse.responses)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from(LOCALIZERS))
def test_mirrored_maps_have_mirrored_peaks(seed, localizer):
    maps = torch.rand(1, 1, 7, 9, generator=torch.Generator().manual_seed(seed))
    options = {"stride": 4, "topk": 99, "threshold": 0.04, "localizer": localizer}
    (xy, responses), (mirrored, same) = (find_peaks(m, **options) for m in (maps, maps.flip(-1)))
    back = torch.stack([35 - mirrored[..., 0], mirrored[..., 1]], dim=-1)

    def rows(xy, responses):
        return np.array(sorted(torch.cat([responses[..., None], xy], dim=-1)[0, 0].round(decimals=3).tolist()))

    np.testing.assert_allclose(rows(back, same), rows(xy, responses), atol=2e-3)


def test_refinement_offsets_are_read_bilinearly_and_added():
    xy = torch.tensor(
        [[[[5.5, 9.5], [7.5, 9.5]], [[13.5, 1.5], [0.0, 0.0]]]]
    )  # on a cell, between two, at a cell, none
    peaks = Peaks(xy, torch.tensor([[[0.9, 0.8], [0.7, 0.0]]]))
    refinements = torch.zeros(1, 2, 4, 4)
    refinements[0, :, 2, 1] = torch.tensor([1.0, -2.0])
    refinements[0, :, 2, 2] = torch.tensor([3.0, 0.0])
    refinements[0, :, 0, 3] = torch.tensor([math.nan, 1.0])
    refinements[0, :, 0, 0] = 5.0
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        refined = refine_peaks(peaks, refinements.to(dtype), stride=4)
        expected = [[[6.5, 7.5], [9.5, 8.5]], [[13.5, 1.5], [0.0, 0.0]]]  # what is no number moves nothing
        assert refined.xy[0].tolist() == expected
        assert refined.responses is peaks.responses


@pytest.mark.parametrize("localizer", LOCALIZERS)
def test_refinement_brings_quantized_keypoints_back(localizer):
    """Gaussians around the nearest cells, and beside them the way from each cell to the keypoint."""
    place = np.array([21.0, 30.0])
    quantized = cells_to_image(np.rint(image_to_cells(place, 4)), 4)
    heatmaps = gaussians(np.stack([quantized] * 3))
    cells = cells_to_image(torch.arange(16.0), 4)
    refinements = torch.stack([place[0] - cells.expand(16, 16), place[1] - cells[:, None].expand(16, 16)])[None].float()
    maps = PoseMaps(heatmaps, torch.zeros(1, 6, 16, 16), refinements)
    decoder = GogDecoder(SMALL, localizer=localizer, refine=True)
    for same in (decoder, dense(decoder)):
        for x, y, response in same(maps)[0].keypoints.reshape(-1, 3).tolist():
            assert response == 0 or (x, y) == pytest.approx(place, abs=1e-3)


def test_refining_needs_offsets_of_the_right_size():
    maps = PoseMaps(torch.zeros(1, 3, 4, 4), torch.zeros(1, 6, 4, 4))
    with pytest.raises(InputError, match="refine"):
        GogDecoder(SMALL, refine=True)(maps)
    with pytest.raises(InputError, match="refine"):
        GogDecoder(SMALL, refine=True)(maps._replace(refinements=torch.zeros(1, 2, 4, 5)))
    assert len(GogDecoder(SMALL)(maps)[0]) == 0


def test_sigma_must_be_positive():
    with pytest.raises(InputError, match="sigma"):
        GogDecoder(SMALL, sigma=0.0)
