"""The loss by hand, and the refinement whose rules loss and decoder share."""

import math

import numpy as np
import pytest
import torch

from gog_pose.methods.people import People
from gog_pose.methods.personlab.encoder import PersonLabEncoder
from gog_pose.methods.personlab.loss import PersonLabLoss
from gog_pose.methods.personlab.refinement import refined
from gog_pose.skeleton import Skeleton

STICK = Skeleton("stick", ("top", "bottom"), ((0, 1),), (), (0.05, 0.05))
ENCODER = PersonLabEncoder(STICK, stride=1, radius=2.0)
SIZE = (12, 16)


def targets_of(*people, ignore=None):
    keypoints = np.array(people, dtype=np.float32)
    return ENCODER.render(
        ENCODER.marks(People(keypoints, np.ones(len(people)), np.zeros((len(people), 4))), SIZE, ignore)
    )


TARGETS = targets_of([(3, 4, 2), (11, 6, 2)])


def loss_of(**options):
    return PersonLabLoss(STICK, **{"stride": 1, "radius": 2.0, **options})


def parts(maps, targets=TARGETS, **options):
    return {name: part.item() for name, part in loss_of(**options)([maps], targets).parts.items()}


def test_errors_are_in_radii_and_those_of_short_offsets_summed_over_both_coordinates():
    maps = TARGETS.as_maps()
    found = parts(maps._replace(short_offsets=maps.short_offsets + 1, mid_offsets=maps.mid_offsets + 1), steps=0)
    assert found == pytest.approx({"heatmap": 0, "short": 2 / 2, "mid": 1 / 2})


def test_the_heatmap_loss_is_a_mean_over_all_cells():
    maps = TARGETS.as_maps()
    assert parts(maps._replace(heatmaps=torch.full_like(maps.heatmaps, 0.5)))["heatmap"] == pytest.approx(math.log(2))


def test_ignored_cells_count_as_0_in_the_mean_of_heatmaps_and_not_in_those_of_offsets():
    ignore = np.zeros(SIZE, dtype=bool)
    ignore[:, :8] = True  # one of both keypoints
    targets = targets_of([(3, 4, 2), (11, 6, 2)], ignore=ignore)
    maps = targets.as_maps()
    wrong = type(maps)(torch.full_like(maps.heatmaps, 0.5), maps.short_offsets + 1, maps.mid_offsets + 1)
    found = parts(wrong, targets, steps=0)
    assert found == pytest.approx({"heatmap": math.log(2) / 2, "short": 1.0, "mid": 0.5})


def test_refinement_corrects_mid_offsets_by_the_short_offsets_where_they_lead():
    maps = TARGETS.as_maps()
    bent = maps._replace(mid_offsets=maps.mid_offsets + 0.5)
    assert parts(bent, steps=0)["mid"] == pytest.approx(0.25)
    assert parts(bent, steps=1)["mid"] == pytest.approx(0, abs=1e-6)


def test_the_gradient_of_refined_offsets_reaches_both_heads():
    maps = type(TARGETS.as_maps())(*(field.clone().requires_grad_() for field in TARGETS.as_maps()))
    short = maps.short_offsets * 0.8 + 0.1
    loss = loss_of(heatmap_weight=0.0, short_weight=0.0)
    loss([maps._replace(short_offsets=short, mid_offsets=maps.mid_offsets + 0.3)], TARGETS).total.backward()
    assert maps.short_offsets.grad.any()
    assert maps.mid_offsets.grad.any()


def test_weights_and_stacks():
    maps = TARGETS.as_maps()
    wrong = type(maps)(torch.full_like(maps.heatmaps, 0.5), maps.short_offsets + 1, maps.mid_offsets + 1)
    loss = loss_of(steps=0, stack_weights=(0.25, 2.0))
    expected = 4 * math.log(2) + 1 * 1.0 + 0.25 * 0.5
    assert loss([wrong, maps], TARGETS).total.item() == pytest.approx(0.25 * expected)
    assert loss([maps, wrong], TARGETS).total.item() == pytest.approx(2 * expected)
    with pytest.raises(ValueError, match="2 stack_weights for a network of 1 stacks"):
        loss([maps], TARGETS)


def test_focal_factor():
    maps = TARGETS.as_maps()
    half = maps._replace(heatmaps=torch.full_like(maps.heatmaps, 0.5))
    assert parts(half, gamma=2.0)["heatmap"] == pytest.approx(0.25 * math.log(2))


def test_points_are_moved_by_the_map_of_their_item_and_stay_beside_the_map():
    maps = torch.zeros(2, 2, 3, 4)
    maps[1, 0] = torch.tensor([0.0, 1.0, 2.0, 3.0])  # x offsets grow by 1 per cell of 4 px
    maps[1, 1] = 5.0
    xy = torch.tensor([[3.5, 5.5], [3.5, 5.5], [-0.1 + 1.5, 1.5], [13.5, 9.5], [13.6, 9.5]])
    moved = refined(xy, maps, torch.tensor([1, 0, 1, 1, 1]), stride=4, steps=1)
    expected = xy + torch.tensor([[0.5, 5.0], [0, 0], [0, 0], [3, 5], [0, 0]])
    torch.testing.assert_close(moved, expected)


def test_nobody_gives_no_loss_of_offsets():
    nobody = ENCODER.render(ENCODER.marks(People(np.zeros((0, 2, 3), np.float32), np.ones(0), np.zeros((0, 4))), SIZE))
    found = parts(TARGETS.as_maps(), nobody)
    assert found["short"] == found["mid"] == 0
    assert found["heatmap"] > 0
