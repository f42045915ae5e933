"""Learning-rate schedules: factors on the initial rate per step."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from gog_pose.system.options import NotNegative, Share


def warmup_drops(
    optimizer: Optimizer,
    num_steps: int,
    *,
    warmup: Share = 0.02,
    drops: Sequence[Share] = (0.67, 0.9),
    factor: NotNegative = 0.1,
) -> LRScheduler:
    """Build a schedule with linear warm-up, constant rate, and drops by a factor at given points.

    The paper only gives the initial rate and "less than 150 epochs". The two drops at two thirds and nine tenths
    replace the manual restarts of the public code.

    Args:
        optimizer: Optimizer with the initial rates.
        num_steps: Optimizer steps of the whole run.
        warmup: Length of the warm-up as a share of the steps.
        drops: Shares of the steps after which the rate drops.
        factor: Factor on the rate at each drop.
    """

    def rate(step: int) -> float:
        rise = min(1.0, (step + 1) / max(1.0, warmup * num_steps))
        return rise * float(factor ** sum(step >= drop * num_steps for drop in drops))

    return LambdaLR(optimizer, rate)


def warmup_cosine(
    optimizer: Optimizer, num_steps: int, *, warmup: Share = 0.05, final: NotNegative = 0.01
) -> LRScheduler:
    """Build a schedule with linear warm-up and cosine decay, which works best for short runs.

    Args:
        optimizer: Optimizer with the initial rates.
        num_steps: Optimizer steps of the whole run.
        warmup: Length of the warm-up as a share of the steps.
        final: Factor on the rate at the end.
    """

    def rate(step: int) -> float:
        rise = min(1.0, (step + 1) / max(1.0, warmup * num_steps))
        progress = min(1.0, max(0.0, (step / max(1, num_steps) - warmup) / (1 - warmup)))
        return rise * (final + (1 - final) * 0.5 * (1 + math.cos(math.pi * progress)))

    return LambdaLR(optimizer, rate)
