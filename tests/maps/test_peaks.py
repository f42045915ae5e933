"""Peaks: both interpolations against each other and against torch, exact coordinates, ties and broken maps."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gog_pose.geometry import cells_to_image
from gog_pose.maps.peaks import find_peaks
from gog_pose.maps.surface import blocks, whole_maps

BOTH = [blocks, whole_maps]
OPTIONS = {"stride": 4, "topk": 32, "threshold": 0.04}


def gaussian(points, hw=(16, 16), stride=4, sigma=7.0):
    """Return a (1, 1, h, w) heatmap of the nearest point's Gaussian, as targets are drawn."""
    y = cells_to_image(torch.arange(hw[0], dtype=torch.float64), stride)[:, None]
    x = cells_to_image(torch.arange(hw[1], dtype=torch.float64), stride)
    maps = [torch.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * sigma**2)) for px, py in points]
    heatmap = torch.stack(maps).amax(0)
    return torch.where(heatmap >= 0.01, heatmap, 0.0).float()[None, None]


def found(heatmap, kind=0, **options):
    """Return [(x, y, response)] of one map."""
    peaks = find_peaks(heatmap, **{**OPTIONS, **options})
    rows = torch.cat([peaks.xy[0, kind], peaks.responses[0, kind, :, None]], dim=1).tolist()
    return [tuple(row) for row in rows if row[2] > 0]


@pytest.mark.parametrize("interpolate", BOTH)
def test_bicubic_restores_every_integer_keypoint_and_bilinear_does_not(interpolate):
    missed = 0
    for x in range(6, 58):  # every sub-cell phase; nearer to the border the kernel reaches beyond the map
        y = 6 + x * 7 % 52
        heatmap = gaussian([(x, y)])
        ((px, py, _),) = found(heatmap, interpolate=interpolate)
        assert (px, py) == (x, y)
        missed += found(heatmap, interpolate=interpolate, localizer="bilinear")[0][:2] != (x, y)
    assert missed > 32


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_responses_are_those_of_the_upsampled_map(interpolation):
    heatmaps = torch.rand(2, 3, 9, 11, generator=torch.Generator().manual_seed(0))
    image = F.interpolate(heatmaps, scale_factor=4, mode=interpolation, align_corners=False)
    pooled = F.max_pool2d(image, 3, stride=1, padding=1)
    image, pooled = image[..., 2:-2, 2:-2], pooled[..., 2:-2, 2:-2]  # bilinear maps are flat at the border
    expected = image[(image == pooled) & (image >= 0.04)].unique()
    for interpolate in BOTH:
        peaks = find_peaks(heatmaps, **{**OPTIONS, "topk": 10_000}, localizer=interpolation, interpolate=interpolate)
        inside = (peaks.xy >= 2).all(-1) & (peaks.xy < peaks.xy.new_tensor([42, 34])).all(-1) & (peaks.responses > 0)
        torch.testing.assert_close(peaks.responses[inside].unique(), expected, rtol=0, atol=2e-6)
        batch, kind, rank = inside.nonzero().unbind(1)
        x, y = (peaks.xy[batch, kind, rank].long() - 2).unbind(1)
        torch.testing.assert_close(peaks.responses[inside], image[batch, kind, y, x], rtol=0, atol=2e-6)


@st.composite
def heatmaps(draw):
    """Maps of all kinds: noise, Gaussians, outputs of networks, plateaus, steps, constants."""
    height, width = draw(st.integers(1, 14)), draw(st.integers(1, 14))
    seed = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    noise = torch.randn(2, 2, height, width, generator=seed)
    points = draw(st.lists(st.tuples(st.integers(-6, 4 * width + 6), st.integers(-6, 4 * height + 6)), max_size=4))
    clean = torch.zeros(1, 1, height, width) if not points else gaussian(points, (height, width))
    return draw(
        st.sampled_from(
            [
                noise,
                noise * 0.05,
                clean + noise.abs() * 0.02,
                (clean + noise * 0.02).clamp(0, 0.5),
                clean.expand(2, 2, -1, -1),
                (noise > 0.5).float(),
                noise.mul(2).round() / 4,
                torch.full_like(noise, draw(st.sampled_from([0.0, 0.3, 1.0, -1.0]))),
                noise * 1e30,
            ]
        )
    )


@settings(max_examples=150, deadline=None)
@given(heatmaps(), st.sampled_from([1, 2, 4, 8]), st.sampled_from(["bicubic", "bilinear"]), st.sampled_from([2, 300]))
@example(torch.ones(1, 1, 1, 1), 4, "bicubic", 2)
def test_sparse_equals_dense_to_the_bit(maps, stride, interpolation, topk):
    options = {"stride": stride, "topk": topk, "threshold": 0.04, "localizer": interpolation}
    sparse, dense = (find_peaks(maps, **options, interpolate=interpolate) for interpolate in BOTH)
    assert sparse.xy.equal(dense.xy)
    assert sparse.responses.equal(dense.responses)


def flanks(seed):
    """Return maps whose flanks meet in all ways, (1, 5, 40, 48): rendered, as predicted by a network, and worse."""
    random = torch.Generator().manual_seed(seed)
    points = (torch.rand(40, 2, generator=random) * torch.tensor([192.0, 160.0])).tolist()
    drawn = gaussian(points, (40, 48))[0, 0]
    rough = F.interpolate(torch.randn(1, 1, 20, 24, generator=random), scale_factor=2, mode="bilinear")[0, 0]
    blurred = F.avg_pool2d(drawn[None], 3, stride=1, padding=1)[0]
    slope = torch.arange(40.0)[:, None] * 0.01 + torch.arange(48.0) * 0.02  # rises everywhere, to the corner
    return torch.stack([drawn, blurred * (1 + 0.1 * rough), drawn - 0.1 * rough, slope, slope - 0.05 * rough])[None]


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("stride", [2, 4])
def test_no_peak_is_ruled_out(stride, interpolation):
    options = {"stride": stride, "topk": 300, "threshold": 0.04, "localizer": interpolation}
    for maps in (flanks(0), flanks(1) * -1, flanks(2) * 1e-3 + 0.5):
        sparse, dense = (find_peaks(maps, **options, interpolate=interpolate) for interpolate in BOTH)
        assert sparse.xy.equal(dense.xy)
        assert sparse.responses.equal(dense.responses)


def test_few_blocks_of_a_response_are_interpolated():
    """A Gaussian covers some eighty blocks; its summit can lie in five."""
    for x in range(24, 40):
        heatmap = gaussian([(x, 30)])[0].numpy()
        assert 1 <= blocks(heatmap, 4, 0.04, "bicubic").pixels.shape[2] <= 9
    slope = np.arange(32, dtype=np.float32) * np.ones((1, 32, 1), dtype=np.float32)
    assert blocks(slope, 4, 0.04, "bicubic").pixels.shape[2] < 0.35 * 32 * 32  # what remains is at the border


@pytest.mark.parametrize("stride", [3, 5, 6])
def test_strides_without_binary_weights_agree_but_for_rounding(stride):
    maps = torch.randn(2, 3, 9, 11, generator=torch.Generator().manual_seed(stride))
    options = {"stride": stride, "topk": 300, "threshold": 0.04}
    sparse, dense = (find_peaks(maps, **options, interpolate=interpolate) for interpolate in BOTH)
    torch.testing.assert_close(sparse.responses, dense.responses, rtol=1e-6, atol=0)
    torch.testing.assert_close(sparse.xy, dense.xy)


@pytest.mark.parametrize("interpolate", BOTH)
def test_a_keypoint_between_pixels_is_one_peak_there(interpolate):
    for point in ((31.5, 20), (30, 21.5), (29.5, 33.5)):  # where cells, too, lie the same on both sides
        ((x, y, _),) = found(gaussian([point]), interpolate=interpolate)
        assert (x, y) == point


@pytest.mark.parametrize("interpolate", BOTH)
@pytest.mark.parametrize("value", [0.1, 0.3, 1.0])
def test_a_constant_map_has_one_peak(interpolate, value):
    assert len(found(torch.full((1, 1, 6, 9), value), interpolate=interpolate)) == 1


@pytest.mark.parametrize("interpolate", BOTH)
def test_a_rectangular_plateau_is_one_peak(interpolate):
    heatmap = torch.zeros(1, 1, 12, 12)
    heatmap[..., 3:6, 4:9] = 0.5
    peaks = found(heatmap, interpolate=interpolate, stride=1)
    assert len(peaks) == 1


@pytest.mark.parametrize("interpolate", BOTH)
def test_the_strongest_are_kept_in_order(interpolate):
    heatmap = torch.zeros(1, 1, 5, 20)
    heatmap[0, 0, 2, ::4] = torch.tensor([0.5, 0.9, 0.2, 0.9, 0.7])
    assert [(x, r) for x, _, r in found(heatmap, interpolate=interpolate, stride=1, topk=3)] == [
        (4, pytest.approx(0.9)),
        (12, pytest.approx(0.9)),
        (16, pytest.approx(0.7)),
    ]


@pytest.mark.parametrize(("crowd", "looked_at_closely"), [(0, 3), (3, 3), (12, 1)])
def test_in_full_maps_the_strongest_are_those_that_would_be_first_of_all(crowd, looked_at_closely):
    """A map with topk high responses is not searched for low ones; none of the best must be missed for that."""
    random = np.random.default_rng(crowd)
    maps = []
    for people in (crowd, 2, crowd):
        tops = random.permutation(np.append(random.uniform(0.6, 1, people), random.uniform(0.05, 0.3, 36 - people)))
        places = [(8 + 20 * (i % 6), 8 + 20 * (i // 6)) for i in range(36)]
        responses = [gaussian([place], (32, 32), sigma=3.0) * top for place, top in zip(places, tops, strict=True)]
        maps.append(torch.cat(responses).amax(0))
    heatmaps = torch.cat(maps)[None]
    searched = []

    def interpolate(maps, scale, least, interpolation):
        searched.append((len(maps), least))
        return blocks(maps, scale, least, interpolation)

    options = {"stride": 4, "threshold": 0.04, "sigma": 3.0, "interpolate": interpolate}
    best = find_peaks(heatmaps, topk=5, **options)
    assert searched[-1] == (looked_at_closely, 0.04)
    everything = find_peaks(heatmaps, topk=50, **options)
    assert everything.responses.shape[2] > 30
    assert torch.equal(best.xy, everything.xy[:, :, :5])
    assert torch.equal(best.responses, everything.responses[:, :, :5])


@pytest.mark.parametrize("interpolate", BOTH)
@pytest.mark.parametrize("shape", [(0, 3, 4, 4), (2, 3, 4, 4), (1, 1, 1, 1), (1, 2, 0, 5)])
def test_maps_without_peaks(interpolate, shape):
    peaks = find_peaks(torch.zeros(shape), **OPTIONS, interpolate=interpolate)
    assert peaks.xy.shape == (*shape[:2], 0, 2)
    assert peaks.responses.shape == (*shape[:2], 0)


@pytest.mark.parametrize("interpolate", BOTH)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_values_that_are_not_finite_are_no_response(interpolate, value):
    heatmap = gaussian([(40, 24)])
    heatmap[0, 0, 14, 2] = value
    assert [(x, y) for x, y, _ in found(heatmap, interpolate=interpolate)] == [(40, 24)]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_maps_are_promoted_first(dtype):
    heatmap = gaussian([(40, 24), (12, 50)]).to(dtype)
    assert found(heatmap) == found(heatmap.float())
