"""Losses and heads: definitions, bounds, and that all parts learn."""

import math

import numpy as np
import pytest
import torch

from gog_pose.errors import InputError
from gog_pose.methods.method import FeatureMap
from gog_pose.methods.people import People
from gog_pose.methods.pifpaf.encoder import PifpafEncoder
from gog_pose.methods.pifpaf.heads import PifpafHeads
from gog_pose.methods.pifpaf.loss import PifpafLoss, laplace, mean_cross_entropy
from gog_pose.skeleton import Skeleton, load_skeleton

COCO = load_skeleton("coco_19")


def targets_of(**options):
    random = np.random.default_rng(0)
    keypoints = np.concatenate([random.uniform(0, 64, (2, 17, 2)), np.full((2, 17, 1), 2)], axis=2).astype(np.float32)
    encoder = PifpafEncoder(COCO, **options)
    return encoder.render(encoder.marks(People(keypoints, np.ones(2), np.zeros((2, 4))), (64, 64)))


def test_the_likelihood_is_that_of_the_definition_in_cells():
    predicted, target = torch.zeros(1, 2, 1, 2), torch.zeros(1, 2, 1, 2)
    predicted[0, :, 0, 0] = torch.tensor([12.0, 16.0])  # 20 px = 5 cells of 4 px away
    spreads = torch.full((1, 1, 1, 2), math.log(8.0))  # 2 cells
    weights = torch.tensor([[[[1.0, 0.0]]]])
    expected = (0.694 + math.log(2) + 5 / 2) / 1000
    assert float(laplace(predicted, target, spreads, weights, 4)) == pytest.approx(expected, abs=1e-7)


def test_the_cross_entropy_is_a_mean_over_what_is_supervised():
    predicted, target = torch.tensor([[[[0.5, 0.25, 0.9]]]]), torch.tensor([[[[1.0, 0.0, 1.0]]]])
    mask = torch.tensor([[[[1.0, 1.0, 0.0]]]])
    expected = -(math.log(0.5) + math.log(0.75)) / 2
    assert float(mean_cross_entropy(predicted, target, mask)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("coarser", [1, 2])
def test_every_part_of_the_heads_learns(coarser):
    torch.manual_seed(0)
    heads = PifpafHeads(COCO, [FeatureMap(8, 4)], coarser=coarser)
    terms = PifpafLoss(coarser=coarser)(heads([torch.randn(1, 8, 16, 16)]), targets_of(coarser=coarser))
    terms.total.backward()
    assert all(parameter.grad.any() for parameter in heads.parameters())
    assert sum(len(parameter) for name, parameter in heads.named_parameters() if "bias" in name) == 5 * 17 + 7 * 19
    assert PifpafHeads(COCO, [], **heads.options()).options() == heads.options()


def test_saturated_heads_still_learn():
    """Sigmoids that round to 0 or 1 have no gradient, and exponentials of far spreads are infinite."""
    for value in (-1e3, 1e3):
        heads = PifpafHeads(COCO, [FeatureMap(8, 4)])
        for branches in (heads.heatmaps, heads.limb_heatmaps, heads.spreads, heads.limb_spreads):
            torch.nn.init.constant_(branches[0].bias, value)
        terms = PifpafLoss()(heads([torch.zeros(1, 8, 16, 16)]), targets_of())
        assert terms.total.isfinite()
        terms.total.backward()
        for branches in (heads.heatmaps, heads.limb_heatmaps):
            assert branches[0].bias.grad.isfinite().all()
            assert branches[0].bias.grad.any()


def test_spreads_have_a_soft_lower_bound():
    heads = PifpafHeads(COCO, [FeatureMap(8, 4)])
    torch.nn.init.constant_(heads.spreads[0].bias, -12.0)
    (maps,) = heads([torch.zeros(1, 8, 2, 2)])
    np.testing.assert_allclose(maps.spreads.detach(), -2 - 0.1 + math.log(4), rtol=1e-5)


def test_wrong_options_are_refused():
    with pytest.raises(InputError, match=r"heads\.form"):
        PifpafHeads(COCO, [], form="deep")
    with pytest.raises(InputError, match="limbs"):
        PifpafHeads(Skeleton("points", ["a"], [], [], [0.1]), [])
