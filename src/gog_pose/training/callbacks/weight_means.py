"""Running means of the weights, which validation and checkpoints use instead of the weights."""

from __future__ import annotations

import torch
from pytorch_lightning.callbacks import WeightAveraging

from gog_pose.errors import InputError
from gog_pose.system.options import Share


class WeightMeans(WeightAveraging):
    """Exponential moving average of the weights, updated after each optimizer step.

    After ``n`` updates the decay is ``min(decay, (1 + n) / (10 + n))``. With a constant decay, the mean of a short
    training would contain much of the initial weights: 63 % after 232 steps with 0.998.

    Args:
        decay: Largest weight of the previous mean per step; 0.998 averages over about 500 steps.

    Raises:
        InputError: ``decay`` is not below 1.
    """

    def __init__(self, decay: Share = 0.999) -> None:
        if not 0 <= decay < 1:
            raise InputError(f"callbacks.weight_average.decay: must be at least 0 and below 1, got {decay}")

        def average(mean: torch.Tensor, weight: torch.Tensor, updates: torch.Tensor | int) -> torch.Tensor:
            if not mean.is_floating_point():  # batch counters of normalization layers
                return weight
            kept = min(decay, (1 + float(updates)) / (10 + float(updates)))
            return mean.lerp(weight, 1 - kept)

        super().__init__(avg_fn=average)

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        """Return whether the mean is updated: True after steps, False after epochs."""
        return step_idx is not None
