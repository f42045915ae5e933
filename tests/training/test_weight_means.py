"""Running means of weights: hand-computed, and without the initial weights of a short training."""

import pytest
import torch
from torch.optim.swa_utils import AveragedModel

from gog_pose.errors import InputError
from gog_pose.training.callbacks import WeightMeans


def means(decay, weights):
    """Return the mean after each of a row of weights."""
    model = torch.nn.Linear(1, 1, bias=False)
    averaged = AveragedModel(model, **WeightMeans(decay)._kwargs)
    found = []
    for weight in weights:
        torch.nn.init.constant_(model.weight, weight)
        averaged.update_parameters(model)
        found.append(averaged.module.weight.item())
    return found


def test_the_first_steps_by_hand():
    # Shares kept after 1, 2, 3 updates: 2/11, 3/12, 4/13.
    first = 2.0
    second = 2 / 11 * first + 9 / 11 * 4.0
    third = 3 / 12 * second + 9 / 12 * 8.0
    assert means(0.999, [2.0, 4.0, 8.0]) == pytest.approx([first, second, third])


def test_late_steps_keep_the_share_of_the_option():
    found = means(0.5, [0.0] * 20 + [1.0, 1.0])
    assert found[-2:] == pytest.approx([0.5, 0.75])


def test_a_short_training_forgets_its_initial_weights():
    assert means(0.998, [1.0, *[0.0] * 231])[-1] < 1e-6


def test_updates_follow_steps_alone():
    assert WeightMeans(0.9).should_update(step_idx=0)
    assert not WeightMeans(0.9).should_update(epoch_idx=0)


def test_a_share_of_one_is_refused():
    with pytest.raises(InputError, match=r"weight_average\.decay"):
        WeightMeans(1.0)


def test_normalization_counts_its_batches():
    model = torch.nn.BatchNorm2d(1)
    averaged = AveragedModel(model, **{**WeightMeans(0.9)._kwargs, "use_buffers": True})
    for _ in range(3):
        model(torch.randn(2, 1, 2, 2))
        averaged.update_parameters(model)
    assert averaged.module.num_batches_tracked == 3
    assert averaged.module.running_mean != model.running_mean
