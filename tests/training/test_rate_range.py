"""The learning-rate range test: the steepest fall of a known curve, and curves that do not fall."""

import numpy as np
import pytest

from gog_pose.errors import InputError
from gog_pose.training.callbacks import RateRange
from gog_pose.training.callbacks.rate_range import smoothed, steepest

RATES = np.geomspace(1e-6, 1, 241)


def test_the_running_mean_of_a_constant_is_the_constant():
    np.testing.assert_allclose(smoothed(np.full(7, 3.0)), 3.0)


def test_the_second_mean_by_hand():
    """Weights 0.09 and 0.1 over their sum."""
    assert smoothed(np.array([1.0, 2.0]))[1] == pytest.approx((0.09 * 1 + 0.1 * 2) / 0.19)


def test_the_steepest_rate_of_a_fall_around_1e_3_lies_shortly_behind_it():
    losses = 1 / (1 + (RATES / 1e-3) ** 2) + 10 * np.maximum(RATES - 0.3, 0)
    assert 1e-3 < steepest(RATES, losses) < 3e-3


@pytest.mark.parametrize("losses", [np.ones(241), np.linspace(1, 2, 241)])
def test_a_loss_that_does_not_fall_suggests_nothing(losses):
    assert steepest(RATES, losses) is None


def test_too_few_steps_are_refused(tmp_path):
    with pytest.raises(InputError, match="find_rate: must be at least 10"):
        RateRange(tmp_path, 5)


def test_a_low_loss_of_the_first_batch_hides_no_fall():
    losses = np.where(RATES < 1e-3, 2.0, 1.0)
    losses[0] = 0.5
    assert 0.9e-3 < steepest(RATES, losses) < 3e-3  # the difference quotient begins a step before the fall
