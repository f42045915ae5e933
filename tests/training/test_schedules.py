"""The learning rate rises, stays or falls as documented."""

import pytest
import torch

from gog_pose.training.schedules import warmup_cosine, warmup_drops


def rates(schedule, num_steps, **options):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=2.0)
    scheduler = schedule(optimizer, num_steps, **options)
    values = []
    for _ in range(num_steps):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return values


def test_drops_by_hand():
    expected = [1.0, 2.0, 2.0, 2.0, 2.0, 0.2, 0.2, 0.2, 0.02, 0.02]
    assert rates(warmup_drops, 10, warmup=0.2, drops=[0.5, 0.8]) == pytest.approx(expected)


def test_cosine_starts_low_peaks_after_the_warmup_and_ends_at_its_final_factor():
    values = rates(warmup_cosine, 1000, warmup=0.1, final=0.01)
    assert values[0] == pytest.approx(0.02)
    assert max(values) == pytest.approx(2.0, rel=1e-3)
    assert values.index(max(values)) in (99, 100)
    assert values[549] == pytest.approx(0.505 * 2, rel=1e-2)
    assert values[-1] == pytest.approx(0.02, rel=1e-2)
