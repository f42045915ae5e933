"""CenterNet's losses by hand, and independent of how a batch is cut."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gog_pose.maps.records import images_of
from gog_pose.methods.centernet.loss import CenterLoss, mean_l1, penalty_reduced_focal
from gog_pose.methods.centernet.records import CenterMaps, CenterTargets


def batch(num_images=4, seed=0):
    random = torch.Generator().manual_seed(seed)

    def draw(channels):
        return torch.rand(num_images, channels, 3, 5, generator=random)

    def taught(channels):
        return (draw(channels) > 0.6).float()

    peaks = [draw(1) * 0.9 + 0.1 * taught(1), draw(2) * 0.9]
    peaks[0][:, :, 0, 0] = 1
    targets = CenterTargets(*peaks, draw(4), taught(2), draw(2), draw(2), taught(1), draw(2), taught(1), taught(1))
    stacks = [CenterMaps(draw(1), draw(2), draw(4), draw(2), draw(2), draw(2)) for _ in range(2)]
    return stacks, targets


def test_focal_loss_by_hand():
    """A peak answered by 0.8, its shoulder of 0.5 by 0.3, background by 0.1; one cell is ignored."""
    target = torch.tensor([[[[1.0, 0.5, 0.0, 0.0]]]])
    predicted = torch.tensor([[[[0.8, 0.3, 0.1, 0.9]]]])
    mask = torch.tensor([[[[1.0, 1, 1, 0]]]])
    expected = -(0.2**2 * math.log(0.8) + 0.5**4 * 0.3**2 * math.log(0.7) + 0.1**2 * math.log(0.9))
    assert penalty_reduced_focal(predicted, target, mask).item() == pytest.approx(expected)
    two = penalty_reduced_focal(predicted.repeat(1, 2, 1, 1), target.repeat(1, 2, 1, 1), mask)
    assert two.item() == pytest.approx(expected)  # twice the loss of twice the peaks
    assert penalty_reduced_focal(predicted.round(), target.round(), mask).isfinite().all()


def test_vectors_count_where_they_are_taught():
    """Errors of 3 and 5 in the only taught and supervised cell: a mean of 4."""
    target = torch.zeros(1, 2, 1, 3)
    predicted = torch.tensor([3.0, 99, 99, -5, 99, 99]).view(1, 2, 1, 3)
    weights, mask = torch.tensor([1.0, 0, 1]).view(1, 1, 1, 3), torch.tensor([1.0, 1, 0]).view(1, 1, 1, 3)
    assert mean_l1(predicted, target, weights, mask).item() == pytest.approx(4)
    assert mean_l1(predicted, target, 0 * weights, mask).item() == 0


@settings(deadline=None)
@given(cut=st.integers(1, 3), seed=st.integers(0, 100))
def test_a_batch_weighs_the_same_however_it_is_cut(cut, seed):
    stacks, targets = batch(4, seed)
    whole = CenterLoss()(stacks, targets).total

    def part(rows):
        return CenterLoss()([images_of(maps, rows) for maps in stacks], images_of(targets, rows)).total

    mean = (part(slice(0, cut)) * cut + part(slice(cut, 4)) * (4 - cut)) / 4
    torch.testing.assert_close(mean, whole)


def test_total_is_the_weighted_sum_of_its_terms_in_cells():
    stacks, targets = batch()
    loss = CenterLoss(
        center_weight=2,
        heatmap_weight=3,
        offset_weight=5,
        size_weight=7,
        refinement_weight=11,
        stack_weights=[0.25, 0.75],
    )
    terms = loss(stacks, targets)
    weights = {"center": 2, "heatmap": 3, "offset": 5, "size": 7, "center_refinement": 11, "refinement": 11}
    expected = (torch.tensor([0.25, 0.75]) * sum(weights[name] * part for name, part in terms.parts.items())).sum()
    torch.testing.assert_close(terms.total, expected)
    finer = CenterLoss(stride=8)(stacks, targets).parts
    torch.testing.assert_close(2 * finer["offset"], terms.parts["offset"])
    torch.testing.assert_close(finer["center"], terms.parts["center"])


def test_the_targets_themselves_have_no_vector_loss_and_the_least_focal_loss():
    _, targets = batch()
    terms = CenterLoss()([targets.as_maps()], targets)
    assert all(part.item() == 0 for name, part in terms.parts.items() if name not in ("center", "heatmap"))
