"""Flip test: the maps of a mirrored scene, mirrored back, are the maps of the scene."""

import numpy as np
import pytest
import torch
from gog_maps import draw_maps

from gog_pose.geometry import cells_to_image
from gog_pose.maps.fields import flip_maps, merge_flipped
from gog_pose.methods.gog.records import PoseMaps, fields
from gog_pose.skeleton import load_skeleton


def scene(skeleton, seed, width=96):
    """Return random people and the same people in a mirrored image of that width."""
    people = np.random.default_rng(seed).uniform(0, width, (3, skeleton.num_keypoints, 3))
    people[..., 2] = people[..., 2] > width / 3
    mirrored = people[:, list(skeleton.flip_index)].copy()
    mirrored[..., 0] = width - 1 - mirrored[..., 0]
    return people, mirrored


@pytest.mark.parametrize("name", ["coco_16", "coco_19", "coco_44", "coco_19_bidirectional"])
def test_merging_the_maps_of_a_mirrored_scene_changes_nothing(name):
    skeleton = load_skeleton(name)
    people, mirrored = scene(skeleton, seed=1, width=48)
    maps, mirrored_maps = (draw_maps(skeleton, p, image_hw=(48, 48)) for p in (people, mirrored))
    merged = merge_flipped(maps, mirrored_maps, fields(skeleton, 4))
    torch.testing.assert_close(merged.heatmaps, maps.heatmaps, rtol=0, atol=1e-6)
    torch.testing.assert_close(merged.offsets, maps.offsets, rtol=0, atol=1e-4)


def test_refinement_offsets_of_a_mirrored_scene_merge_to_those_of_the_scene():
    skeleton = load_skeleton("coco_19")
    x, y = 10.25, 21.5  # px; every cell points at this keypoint
    u, v = (cells_to_image(torch.arange(12.0), 4), cells_to_image(torch.arange(10.0), 4))
    refinements, mirrored = (
        torch.stack([place - u.expand(10, 12), y - v[:, None].expand(10, 12)])[None] for place in (x, 47 - x)
    )
    maps = PoseMaps(torch.zeros(1, 17, 10, 12), torch.zeros(1, 38, 10, 12), refinements)
    of_skeleton = fields(skeleton, 4)
    merged = merge_flipped(maps, maps._replace(refinements=mirrored), of_skeleton)
    torch.testing.assert_close(merged.refinements, refinements)
    without = maps._replace(refinements=None)
    assert merge_flipped(without, without, of_skeleton).refinements is None


@pytest.mark.parametrize("name", ["coco_19", "coco_44", "coco_19_bidirectional"])
def test_spreads_of_a_mirrored_scene_belong_to_the_mirrored_limb(name):
    """A limb keeps its spreads if its mirror image has the same direction; otherwise those of the image are kept."""
    skeleton = load_skeleton(name)
    width, spreads = 4, torch.randn(1, skeleton.num_limbs, 3, 4)
    maps = PoseMaps(torch.zeros(1, 17, 3, 4), torch.zeros(1, 2 * skeleton.num_limbs, 3, 4), spreads=spreads)
    mirrored = torch.full_like(spreads, 99.0)  # of limbs that the mirrored scene lists in the other direction
    for limb, (start, end) in enumerate(skeleton.limbs):
        pair = (skeleton.flip_index[start], skeleton.flip_index[end])
        if pair in list(map(tuple, skeleton.limbs)):
            partner = list(map(tuple, skeleton.limbs)).index(pair)
            for column in range(width):
                mirrored[:, partner, :, width - 1 - column] = spreads[:, limb, :, column]
    merged = merge_flipped(maps, maps._replace(spreads=mirrored), fields(skeleton, 4))
    torch.testing.assert_close(merged.spreads, spreads)
    assert bool((mirrored == 99).any()) == any(skeleton.limb_flip_reversed)
    without = maps._replace(spreads=None)
    assert merge_flipped(without, without, fields(skeleton, 4)).spreads is None


def test_flipping_twice_gives_the_maps_back():
    skeleton = load_skeleton("coco_44")
    maps = PoseMaps(
        torch.randn(2, 17, 5, 7), torch.randn(2, 88, 5, 7), torch.randn(2, 2, 5, 7), torch.randn(2, 44, 5, 7)
    )
    twice = flip_maps(flip_maps(maps, fields(skeleton, 4)), fields(skeleton, 4))
    assert twice.refinements.equal(maps.refinements)
    assert twice.spreads.equal(maps.spreads)
    assert twice.heatmaps.equal(maps.heatmaps)
    assert twice.offsets.equal(maps.offsets)


def test_merging_as_the_authors_do(golden):
    recorded = np.load(golden / "flip_0.npz")
    heatmaps, offsets = torch.from_numpy(recorded["heatmaps"]), torch.from_numpy(recorded["offsets"])
    merged = merge_flipped(
        PoseMaps(heatmaps[:1], offsets[:1]), PoseMaps(heatmaps[1:], offsets[1:]), fields(load_skeleton("coco_19"), 4)
    )
    np.testing.assert_allclose(merged.heatmaps, recorded["merged_heatmaps"], atol=1e-6)
    np.testing.assert_allclose(merged.offsets, recorded["merged_offsets"], atol=1e-4)
