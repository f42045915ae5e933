"""The objective of Simple Pose: focal L2 of heatmaps and limb maps, over all stacks and scales."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from gog_pose.errors import InputError
from gog_pose.methods.losses import HeatmapLoss, LossTerms, sum_over_stacks
from gog_pose.methods.simple_pose.records import SimplePoseMaps, SimplePoseTargets
from gog_pose.system.options import NotNegative, Share

_HALF = 0.5  # least mask of a supervised pooled cell


class SimplePoseLoss(nn.Module):
    """Weighted sum of the losses of all outputs: the stacks, each at one or several strides.

    The targets of an output at a coarser stride are averaged over its cells, as in the public program.

    Args:
        heatmap_weight: Weight of the loss of the heatmaps.
        limb_weight: Weight of the loss of the limb maps. In the public program, the weight of heatmaps is three times
            as large, and the focal L2 has no factor of 1/2.
        heatmap_loss: Kind of both losses: ``l2``, or ``cross_entropy`` for responses that are sigmoids.
        stack_weights: One weight per stack, from first to last, divided by their sum; None = equal weights.
        scale_weights: Weights of the outputs at stride R, 2R, 4R, ..., of which each has a quarter of the cells of the
            previous one. The weights in use are divided by their sum.
        gamma: Exponent of both losses; the public program trains with 1.
        tau: Foreground threshold of the focal L2.

    Raises:
        InputError: The kind of loss is unknown.
    """

    def __init__(
        self,
        *,
        heatmap_weight: NotNegative = 1.0,
        limb_weight: NotNegative = 1 / 3,
        heatmap_loss: str = "l2",
        stack_weights: Sequence[NotNegative] | None = None,
        scale_weights: Sequence[NotNegative] = (0.1, 0.2, 0.4, 1.6, 6.4),
        gamma: NotNegative = 1.0,
        tau: Share = 0.01,
    ) -> None:
        super().__init__()
        self.heatmap_loss = HeatmapLoss(heatmap_loss, gamma, tau)
        self._weights = {"heatmap": heatmap_weight, "limb": limb_weight}
        self.stack_weights = None if stack_weights is None else tuple(stack_weights)
        self.scale_weights = tuple(scale_weights)

    def forward(self, outputs: Sequence[SimplePoseMaps], targets: SimplePoseTargets) -> LossTerms:
        """Compare the maps of all outputs with the targets of a batch, in float32.

        Args:
            outputs: Maps sorted by stack, then from coarse to fine; the last of a stack has the stride of the targets.
            targets: Targets of the batch.

        Raises:
            InputError: There are more scales than scale weights.
            ValueError: The numbers of stack weights and stacks differ.
        """
        weights = self._output_weights(outputs, targets)
        with torch.autocast(targets.mask.device.type, enabled=False):
            pooled = {size: _pooled(targets, size) for size in {_size(maps) for maps in outputs}}
            losses = [self._parts(maps, pooled[_size(maps)]) for maps in outputs]
            parts = {name: torch.stack([of_output[name] for of_output in losses]) for name in self._weights}
            return sum_over_stacks(parts, self._weights, weights)

    def _parts(self, maps: SimplePoseMaps, targets: SimplePoseTargets) -> dict[str, torch.Tensor]:
        """Return the terms of one output, means over the batch."""
        return {
            "heatmap": self.heatmap_loss(maps.heatmaps, targets.heatmaps, targets.mask).mean(),
            "limb": self.heatmap_loss(maps.limbs, targets.limbs, targets.mask).mean(),
        }

    def _output_weights(self, outputs: Sequence[SimplePoseMaps], targets: SimplePoseTargets) -> list[float]:
        """Return the weight of each output; they sum to 1."""
        stacks = sum(_size(maps) == tuple(targets.mask.shape[-2:]) for maps in outputs)
        scales = len(outputs) // max(stacks, 1)
        of_stacks = self.stack_weights or (1.0,) * stacks
        if len(of_stacks) != stacks or scales * stacks != len(outputs):
            raise ValueError(f"{len(of_stacks)} stack_weights for {len(outputs)} outputs of {stacks} stacks")
        if scales > len(self.scale_weights):
            raise InputError(
                f"method.loss.scale_weights: there are {len(self.scale_weights)}, but the network predicts maps at"
                f" {scales} scales; give more, or choose fewer model.trunk.scales"
            )
        coarsest_first = self.scale_weights[scales - 1 :: -1]
        total = sum(of_stacks) * sum(coarsest_first)
        return [of_stack * of_scale / total for of_stack in of_stacks for of_scale in coarsest_first]


def _size(maps: SimplePoseMaps) -> tuple[int, int]:
    """Return the height and width of the maps of an output, cells."""
    return int(maps.limbs.shape[-2]), int(maps.limbs.shape[-1])


def _pooled(targets: SimplePoseTargets, size: tuple[int, int]) -> SimplePoseTargets:
    """Return the targets on larger cells, as in the public program.

    Responses are averaged over a cell. The mask is interpolated bilinearly at the cell's center; cells with a mask
    below 0.5 are not supervised, and the others are weighted by their mask.
    """
    mask = F.interpolate(targets.mask, size, mode="bilinear", align_corners=False)
    return SimplePoseTargets(
        F.adaptive_avg_pool2d(targets.heatmaps, size),
        F.adaptive_avg_pool2d(targets.limbs, size),
        torch.where(mask < _HALF, 0, mask),
    )
