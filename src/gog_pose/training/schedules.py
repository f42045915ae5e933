"""Schedules of the learning rate, as factors on the initial rate over the steps of a run."""

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
    """Rise linearly, stay, then drop by a factor at given points.

    The paper only gives the initial rate and "less than 150 epochs"; two drops at two thirds and at nine tenths stand
    in for the public code's hand-made restarts.

    Args:
        optimizer: Its rates are the initial ones.
        num_steps: Optimizer steps of the whole run.
        warmup: Share of the steps that the rise takes.
        drops: Shares of the steps after which the rate drops.
        factor: What the rate is multiplied by at each drop.
    """

    def rate(step: int) -> float:
        rise = min(1.0, (step + 1) / max(1.0, warmup * num_steps))
        return rise * float(factor ** sum(step >= drop * num_steps for drop in drops))

    return LambdaLR(optimizer, rate)


def warmup_cosine(
    optimizer: Optimizer, num_steps: int, *, warmup: Share = 0.05, final: NotNegative = 0.01
) -> LRScheduler:
    """Rise linearly, then fall along half a cosine: what serves a short run best.

    Args:
        optimizer: Its rates are the initial ones.
        num_steps: Optimizer steps of the whole run.
        warmup: Share of the steps that the rise takes.
        final: Factor at the end.
    """

    def rate(step: int) -> float:
        rise = min(1.0, (step + 1) / max(1.0, warmup * num_steps))
        progress = min(1.0, max(0.0, (step / max(1, num_steps) - warmup) / (1 - warmup)))
        return rise * (final + (1 - final) * 0.5 * (1 + math.cos(math.pi * progress)))

    return LambdaLR(optimizer, rate)
