"""Losses by hand, in float32 under autocast, and independent of how a batch is cut."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gog_pose.encoding import PoseEncoder
from gog_pose.errors import InputError
from gog_pose.maps.records import as_batch, images_of
from gog_pose.methods.gog.heads import GogHeads
from gog_pose.methods.gog.loss import GogLoss, spread_loss
from gog_pose.methods.gog.records import PoseMaps, PoseTargets
from gog_pose.methods.losses import focal_cross_entropy, focal_l2, weighted_l1
from gog_pose.methods.method import FeatureMap
from gog_pose.skeleton import load_skeleton

SKELETON = load_skeleton("coco_19")


def batch(num_images=4, seed=0):
    """Random maps of one limb and two keypoints on 3 x 5 cells, two stacks."""
    random = torch.Generator().manual_seed(seed)

    def draw(channels):
        return torch.rand(num_images, channels, 3, 5, generator=random)

    weights = (draw(1) > 0.5) * 0.02
    targets = PoseTargets(draw(2) * (draw(2) > 0.5), draw(2) * 50, weights, (draw(1) > 0.2).float())
    stacks = [PoseMaps(draw(2), draw(2) * 50) for _ in range(2)]
    return stacks, targets


def rows(stacks, targets, start, stop):
    cut = slice(start, stop)
    return [images_of(maps, cut) for maps in stacks], images_of(targets, cut)


def test_focal_l2_by_hand():
    """Foreground cells count by their distance from 1, background cells by their response."""
    target = torch.tensor([[[[1.0, 0.5, 0.0, 0.0]]]])
    predicted = torch.tensor([[[[0.8, 0.5, 0.4, -0.2]]]])
    mask = torch.ones(1, 1, 1, 4)
    expected = 0.5 * 0.2**2 * 0.2 + 0 + 0.5 * 0.4**2 * 0.4 + 0.5 * 0.2**2 * 0.2
    assert focal_l2(predicted, target, mask, gamma=1, tau=0.01).item() == pytest.approx(expected)
    assert focal_l2(predicted, target, mask, gamma=0, tau=0.01).item() == pytest.approx(0.5 * (0.04 + 0.16 + 0.04))
    mask[..., 2] = 0
    assert focal_l2(predicted, target, mask, gamma=1, tau=0.01).item() == pytest.approx(expected - 0.5 * 0.4**3)


def test_focal_cross_entropy_by_hand():
    target = torch.tensor([[[[1.0, 0.5, 0.0]]]])
    predicted = torch.tensor([[[[0.8, 0.25, 0.4]]]])
    mask = torch.ones(1, 1, 1, 3)
    entropies = [-math.log(0.8), -0.5 * (math.log(0.25) + math.log(0.75)), -math.log(0.6)]
    expected = 0.2**2 * entropies[0] + 0.25**2 * entropies[1] + 0.4**2 * entropies[2]
    assert focal_cross_entropy(predicted, target, mask, gamma=2).item() == pytest.approx(expected)
    assert focal_cross_entropy(predicted, target, mask, gamma=0).item() == pytest.approx(sum(entropies))
    mask[..., 1] = 0
    less = expected - 0.25**2 * entropies[1]
    assert focal_cross_entropy(predicted, target, mask, gamma=2).item() == pytest.approx(less)


def test_focal_cross_entropy_is_smallest_at_the_target_and_moves_a_saturated_sigmoid():
    target = torch.linspace(0, 1, 11)[None, None, None]
    mask = torch.ones(1, 1, 1, 11)
    assert focal_cross_entropy(target, target, mask, gamma=2).item() == 0
    logits = torch.full((1, 1, 1, 11), -20.0, requires_grad=True)  # a sigmoid of 2e-9
    for loss, moved in (("cross_entropy", True), ("l2", False)):
        (slope,) = torch.autograd.grad(heatmap_part(loss, logits.sigmoid(), target, mask), logits)
        assert bool(slope[..., -1].abs() > 0.1) == moved
        assert slope.isfinite().all()


def heatmap_part(loss, predicted, target, mask):
    maps = PoseMaps(predicted, torch.zeros(1, 2, 1, 11))
    targets = PoseTargets(target, torch.zeros(1, 2, 1, 11), torch.zeros(1, 1, 1, 11), mask)
    return GogLoss(heatmap_loss=loss, gamma=2.0)([maps], targets).total


def test_an_unknown_heatmap_loss_is_refused():
    with pytest.raises(InputError, match="heatmap_loss: 'l1' is unknown; choose l2 or cross_entropy"):
        GogLoss(heatmap_loss="l1")


def test_offsets_count_in_scales_of_their_person():
    """Errors of 5 and 10 px on a person of 50 px: 0.1 and 0.2 scales, mean 0.15; elsewhere nothing counts."""
    target = torch.zeros(1, 2, 1, 3)
    predicted = torch.tensor([5.0, 99, 99, -10, 99, 99]).view(1, 2, 1, 3)
    weights = torch.tensor([1 / 50, 0, 1 / 50]).view(1, 1, 1, 3)
    mask = torch.tensor([1.0, 1, 0]).view(1, 1, 1, 3)
    assert weighted_l1(predicted, target, weights, mask).item() == pytest.approx(0.15)


def test_an_image_without_limbs_has_no_offset_loss():
    zeros = torch.zeros(1, 2, 2, 2)
    loss = weighted_l1(zeros + 7, zeros, torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2))
    assert loss.tolist() == [0.0]


def test_refinements_count_in_px_and_by_their_weight():
    """Errors of 3 and 5 px in the only supported cell: a mean of 4 px."""
    stacks, targets = batch(1)
    supported = torch.zeros(1, 1, 3, 5)
    supported[..., 1, 1] = 1
    targets = targets._replace(
        refinements=torch.zeros(1, 2, 3, 5), refinement_weights=supported, mask=torch.ones_like(targets.mask)
    )
    predicted = torch.full((1, 2, 3, 5), 99.0)
    predicted[..., 1, 1] = torch.tensor([3.0, -5.0])
    terms = GogLoss(refinement_weight=7)([maps._replace(refinements=predicted) for maps in stacks], targets)
    assert terms.parts["refinement"].tolist() == [4, 4]
    without = GogLoss()(stacks, targets._replace(refinements=None, refinement_weights=None))
    assert "refinement" not in without.parts
    assert (terms.total - without.total).item() == pytest.approx(7 * 4, rel=1e-4)


def test_a_head_without_targets_and_targets_without_a_head_are_refused():
    stacks, targets = batch(1)
    answers = [maps._replace(refinements=maps.offsets) for maps in stacks]
    with pytest.raises(InputError, match="both be on or both be off"):
        GogLoss()(answers, targets)
    drawn = targets._replace(refinements=targets.offsets, refinement_weights=targets.mask)
    with pytest.raises(InputError, match="both be on or both be off"):
        GogLoss()(stacks, drawn)


def with_spreads(stacks, seed=7):
    random = torch.Generator().manual_seed(seed)
    return [maps._replace(spreads=torch.randn(len(maps.offsets), 1, 3, 5, generator=random)) for maps in stacks]


def test_spreads_by_hand():
    """Errors of 5 and 10 px with spreads of 10 and 4 px, of people of 50 and 100 px; elsewhere nothing counts."""
    target = torch.zeros(1, 2, 1, 4)
    offsets = torch.tensor([[3.0, 6, 99, 99], [-4, 8, 99, 99]]).view(1, 2, 1, 4)
    spreads = torch.tensor([10.0, 4, 7, 7]).log().view(1, 1, 1, 4)
    weights = torch.tensor([1 / 50, 1 / 100, 0, 1 / 50]).view(1, 1, 1, 4)
    mask = torch.tensor([1.0, 1, 1, 0]).view(1, 1, 1, 4)
    expected = (math.log(20 / 50) + 5 / 10 + math.log(8 / 100) + 10 / 4) / 2
    assert spread_loss(spreads, offsets, target, weights, mask).item() == pytest.approx(expected)
    twice = spread_loss(spreads + math.log(2), 2 * offsets, target, weights / 2, mask)  # the same scene, twice as large
    assert twice.item() == pytest.approx(expected)
    assert spread_loss(spreads, offsets, target, weights, 0 * mask).tolist() == [0]


def test_the_best_spread_is_the_length_of_the_error():
    """For a constant length d of the errors, ``log b + d / b`` is lowest at b = d."""
    offsets = torch.tensor([3.0, 4.0]).view(1, 2, 1, 1)
    ones, zeros = torch.ones(1, 1, 1, 1), torch.zeros(1, 2, 1, 1)
    values = [spread_loss(math.log(b) * ones, offsets, zeros, ones, ones).item() for b in (4.5, 5.0, 5.5)]
    assert min(values) == values[1]


def test_spreads_do_not_affect_the_gradient_of_the_offsets():
    stacks, targets = batch()
    gradients = []
    for maps in (stacks, with_spreads(stacks)):
        offsets = [one.offsets.clone().requires_grad_() for one in maps]
        answers = [one._replace(offsets=own) for one, own in zip(maps, offsets, strict=True)]
        terms = GogLoss(spread_weight=5.0)(answers, targets)
        gradients.append(torch.autograd.grad(terms.total, offsets))
    for without, own in zip(*gradients, strict=True):
        assert without.any()
        assert torch.equal(own, without)


def test_spreads_add_their_weighted_term_alone():
    stacks, targets = batch()
    without, terms = (
        GogLoss(spread_weight=5.0)(stacks, targets),
        GogLoss(spread_weight=5.0)(with_spreads(stacks), targets),
    )
    assert "spread" not in without.parts
    for name in ("heatmap", "offset"):
        assert torch.equal(terms.parts[name], without.parts[name])
    torch.testing.assert_close(terms.total, without.total + 5 * terms.parts["spread"].mean())


def test_a_network_learns_its_spreads():
    """A few steps on a fixed batch lower the loss of the spreads."""
    torch.manual_seed(0)
    heads = GogHeads(SKELETON, [FeatureMap(8, 4)], spread=True)
    people = np.random.default_rng(0).uniform(8, 56, (2, 17, 3)).astype(np.float32)
    targets = as_batch(PoseEncoder(SKELETON)(people, np.array([40.0, 50.0]), (64, 64)))
    features = [torch.rand(1, 8, 16, 16)]
    optimizer = torch.optim.Adam(heads.parameters(), lr=0.05)
    values = []
    for _ in range(12):
        terms = GogLoss()(heads(features), targets)
        values.append(terms.parts["spread"].item())
        optimizer.zero_grad()
        terms.total.backward()
        optimizer.step()
    assert values[-1] < values[0] - 1


def test_perfect_maps_have_no_loss():
    _, targets = batch()
    terms = GogLoss()([PoseMaps(targets.heatmaps, targets.offsets)] * 2, targets)
    assert terms.total.item() == 0


@settings(deadline=None)
@given(cut=st.integers(1, 3), seed=st.integers(0, 100))
def test_a_batch_weighs_the_same_however_it_is_cut(cut, seed):
    """The mean of two devices over their halves equals the value of one device over the whole batch."""
    stacks, targets = batch(4, seed)
    stacks = with_spreads(stacks, seed)
    whole = GogLoss()(stacks, targets).total
    parts = [GogLoss()(*rows(stacks, targets, *piece)).total for piece in ((0, cut), (cut, 4))]
    torch.testing.assert_close((parts[0] * cut + parts[1] * (4 - cut)) / 4, whole)


def test_total_is_the_weighted_sum_of_its_terms_over_stacks():
    stacks, targets = batch()
    terms = GogLoss(heatmap_weight=2, offset_weight=30, stack_weights=[0.25, 0.75])(stacks, targets)
    expected = (torch.tensor([0.25, 0.75]) * (2 * terms.parts["heatmap"] + 30 * terms.parts["offset"])).sum()
    torch.testing.assert_close(terms.total, expected)
    with pytest.raises(ValueError, match="3 stack_weights"):
        GogLoss(stack_weights=[1, 1, 1])(stacks, targets)


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_half_precision_maps_are_compared_in_float32(half):
    """The sum of a large heatmap error overflows float16; the loss does not."""
    target = torch.zeros(1, 1, 512, 512)
    targets = PoseTargets(target, torch.zeros(1, 2, 512, 512), target, torch.ones(1, 1, 512, 512))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        maps = PoseMaps((target + 2).to(half), torch.zeros(1, 2, 512, 512, dtype=half))
        terms = GogLoss()([maps], targets)
    assert terms.total.dtype == torch.float32
    assert terms.total.item() == pytest.approx(0.5 * 2**2 * 2 * 512 * 512)


def test_ignored_cells_give_no_gradient():
    stacks, targets = batch()
    maps = PoseMaps(stacks[0].heatmaps.requires_grad_(), stacks[0].offsets.requires_grad_())
    GogLoss()([maps], targets).total.backward()
    ignored = targets.mask == 0
    assert not maps.heatmaps.grad[ignored.expand_as(maps.heatmaps)].any()
    assert not maps.offsets.grad[ignored.expand_as(maps.offsets)].any()


def test_agrees_with_the_recorded_losses(golden):
    """The authors' losses on two images and stacks; theirs divides offsets by the batch's count and then by 2."""
    record = {key: torch.from_numpy(value) for key, value in np.load(golden / "loss.npz").items() if value.ndim}
    expected = json.loads(str(np.load(golden / "loss.npz")["losses"]))
    finite = record["gt_offsets"].isfinite()
    offsets = torch.where(finite, record["gt_offsets"], 0)
    weights = torch.where(finite, 1 / record["gt_pscale"], 0)[:, ::2]
    mask = record["mask"].float()
    targets = PoseTargets(record["gt_heatmaps"], offsets, weights, mask)
    stacks = [PoseMaps(record[f"hm{stack}"], record[f"off{stack}"]) for stack in range(2)]

    assert GogLoss(offset_weight=0)(stacks, targets).total.item() == pytest.approx(expected["focal_l2_loss"], rel=1e-5)
    l2 = GogLoss(offset_weight=0, gamma=0)(stacks, targets).total.item()
    assert l2 == pytest.approx(expected["l2_loss"], rel=1e-5)

    count = 2 * ((weights * mask) > 0).sum(dim=(1, 2, 3))
    sums = [weighted_l1(maps.offsets, offsets, weights, mask) * count for maps in stacks]
    theirs = sum(0.5 * image_sums.sum() / (1 + count.sum()) / 2 for image_sums in sums)
    assert theirs.item() == pytest.approx(expected["offset_instance_l1_loss_sqrt0"], rel=1e-4)
