"""The candidates from the windows of an exported file equal those of the decoder."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch

from gog_pose.benchmarks.scenes import random_people
from gog_pose.decoding import GogDecoder, PoseMaps
from gog_pose.encoding import PoseEncoder
from gog_pose.errors import InputError
from gog_pose.maps.records import as_batch, images_of, joined
from gog_pose.methods.gog.export import compare, match
from gog_pose.methods.gog.graph import PeakGraph
from gog_pose.skeleton import load_skeleton

SKELETON = load_skeleton("coco_19")


def scene(seed, people=6, hw=(96, 128), noise=0.02, refinement=0):
    """Maps of people at whole px, where pixels tie, with a little noise, which makes peaks of all heights."""
    random = np.random.default_rng(seed)
    encoder = PoseEncoder(SKELETON, refinement=refinement)
    marks = encoder.marks(random_people(people, min(hw), SKELETON.num_keypoints, random), hw)
    maps = encoder.render(marks).as_maps()
    disturbed = maps.heatmaps + noise * torch.from_numpy(random.standard_normal(maps.heatmaps.shape)).float()
    return maps._replace(heatmaps=disturbed)


def same(decoder, maps):
    """Check that both give the same candidates, and return how many."""
    difference = compare(decoder, maps, PeakGraph(decoder)(maps))
    assert difference.unmatched == 0
    assert difference.largest["xy"] < 1e-3
    assert difference.largest["responses"] < 1e-5
    assert difference.largest["guides"] < 1e-2  # offsets of a hundred px between cells, read at places 1e-3 px apart
    return difference.total


# Flawless maps have pixels that tie, which float32 need not see: the best of them is half a px from their center.
@pytest.mark.parametrize(
    ("localizer", "noise"),
    [*product(("subpixel", "dark", "cell"), (0.0, 0.02)), ("bicubic", 0.02), ("bilinear", 0.02)],
)
def test_candidates_are_those_of_the_decoder(localizer, noise):
    decoder = GogDecoder(SKELETON, localizer=localizer)
    assert sum(same(decoder, scene(seed, noise=noise)) for seed in range(3)) > 100


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("localizer", ["subpixel", "dark"])
def test_other_strides(stride, localizer):
    assert same(GogDecoder(SKELETON, stride=stride, localizer=localizer, sigma=7.0 * stride / 4), scene(0)) > 50


@pytest.mark.parametrize("localizer", ["subpixel", "dark"])
def test_people_at_the_border_are_found_where_the_decoder_finds_them(localizer):
    keypoints = np.full((4, SKELETON.num_keypoints, 3), 2, np.float32)
    for person, (x, y) in enumerate(((0, 0), (127, 0), (0, 95), (126.5, 94.5))):
        keypoints[person, :, :2] = x, y
    maps = as_batch(PoseEncoder(SKELETON)(keypoints, np.full(4, 50, np.float32), (96, 128))).as_maps()
    assert same(GogDecoder(SKELETON, localizer=localizer), maps) == 4 * SKELETON.num_keypoints


def test_only_the_highest_are_kept():
    maps = scene(1, people=12)
    decoder = GogDecoder(SKELETON, topk=5)
    assert same(decoder, maps) == 5 * SKELETON.num_keypoints
    assert PeakGraph(decoder)(maps).xy.shape == (1, SKELETON.num_keypoints, 5, 2)


@pytest.mark.parametrize("localizer", ["subpixel", "dark"])
def test_spreads_are_those_of_the_decoder(localizer):
    maps, random = scene(3), torch.Generator().manual_seed(0)
    spreads = torch.randn(1, SKELETON.num_limbs, *maps.heatmaps.shape[2:], generator=random) + 2
    decoder = GogDecoder(SKELETON, localizer=localizer, spread_factor=2.0)
    maps = maps._replace(spreads=spreads)
    windows = PeakGraph(decoder)(maps)
    assert same(decoder, maps) > 50
    assert compare(decoder, maps, windows).largest["spreads"] < 1e-2  # ratios; read at places up to 1e-3 px apart
    (of_maps,), (of_windows,) = decoder(maps), decoder(windows)
    np.testing.assert_allclose(of_windows.keypoints, of_maps.keypoints, atol=1e-2)
    assert len(of_maps.keypoints) > 3


def test_unused_spreads_do_not_change_the_file_and_a_file_without_them_is_refused():
    maps = scene(3)
    decoder, graph = GogDecoder(SKELETON), PeakGraph(GogDecoder(SKELETON))
    with_spreads = maps._replace(spreads=torch.randn(1, SKELETON.num_limbs, *maps.heatmaps.shape[2:]))
    without, windows = graph(maps), graph(with_spreads)
    assert without.spreads is windows.spreads is None
    for one, other in zip(without[:-1], windows[:-1], strict=True):
        assert torch.equal(one, other)
    assert same(decoder, with_spreads) > 50
    with pytest.raises(InputError, match=r"decoder\.spread_factor: the exported file has no spreads \(2.0\)"):
        replace(decoder, spread_factor=2.0)(windows)


@pytest.mark.parametrize("shift", [1.0, 7.0])  # px; the windows end two cells of 4 px from the cell of a peak
def test_refinement_offsets_are_added(shift):
    maps = scene(2, noise=0.0, refinement=3)
    maps = maps._replace(refinements=maps.refinements + shift)
    decoder = GogDecoder(SKELETON, refine=True)
    assert same(decoder, maps) > 50
    moved = decoder.candidates(maps).xy - replace(decoder, refine=False).candidates(maps).xy
    assert float(moved.abs().max()) > 0.5  # or there was nothing to add


@pytest.mark.parametrize("value", [0.0, 0.5, float("nan"), float("inf")])
def test_flat_and_broken_maps(value):
    maps = PoseMaps(torch.full((1, 17, 16, 16), value), torch.zeros(1, 38, 16, 16))
    decoder = GogDecoder(SKELETON)
    assert same(decoder, maps) == (17 if value == 0.5 else 0)


def test_a_plateau_beside_something_higher_is_no_peak():
    heatmaps = torch.zeros(1, 17, 8, 8)
    heatmaps[..., 2, 3:5] = 0.5
    heatmaps[..., 3, 5] = 0.9
    decoder = GogDecoder(SKELETON, localizer="cell")
    assert same(decoder, PoseMaps(heatmaps, torch.zeros(1, 38, 8, 8))) == 17


@pytest.mark.parametrize("localizer", ["cell", "subpixel", "dark"])
def test_a_plateau_takes_one_of_the_k_places_and_one_that_is_no_peak_takes_none(localizer):
    heatmaps = torch.zeros(1, 17, 16, 16)
    heatmaps[..., 2, 2:5] = heatmaps[..., 3, 2:5] = 0.7
    heatmaps[..., 8, 3:5] = 0.6
    heatmaps[..., 9, 5] = 0.8
    heatmaps[..., 12, 12] = 0.5
    decoder = GogDecoder(SKELETON, localizer=localizer, topk=3)
    assert same(decoder, PoseMaps(heatmaps, torch.zeros(1, 38, 16, 16))) == 3 * 17


def test_images_of_a_batch_do_not_influence_each_other():
    first, second = scene(3), scene(4, noise=0.1)
    graph = PeakGraph(GogDecoder(SKELETON))
    both = graph(joined([first, second]))
    for image, maps in enumerate((first, second)):
        for alone, together in zip(graph(maps), images_of(both, slice(image, image + 1)), strict=True):
            torch.testing.assert_close(alone, together, rtol=0, atol=1e-4)


def test_comparing_tells_what_moved_and_what_is_missing():
    candidates = GogDecoder(SKELETON).candidates(scene(0, noise=0.0))
    assert set(match(candidates, candidates, SKELETON.limbs).largest.values()) == {0}
    moved = candidates._replace(xy=candidates.xy + torch.tensor([0.005, 0]))
    assert match(candidates, moved, SKELETON.limbs).largest["xy"] == pytest.approx(0.005, rel=0.01)
    far = candidates._replace(xy=candidates.xy.clone())
    far.xy[0, 3, 0] += 0.02
    assert match(candidates, far, SKELETON.limbs).unmatched == 2
    fainter = candidates._replace(responses=candidates.responses.clone())
    fainter.responses[0, 3, 0] = 0
    assert match(candidates, fainter, SKELETON.limbs).unmatched == 1
