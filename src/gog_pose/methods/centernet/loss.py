"""CenterNet's objective: focal loss of responses and L1 of vectors, over all stacks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from gog_pose.methods.centernet.records import CenterMaps, CenterTargets
from gog_pose.methods.losses import LossTerms, compare_stacks
from gog_pose.system.options import Count, NotNegative

_EPSILON = 1e-4  # least distance of responses from 0 and 1, which the sigmoid reaches in float16


def penalty_reduced_focal(predicted: torch.Tensor, target: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Compute the focal loss of responses, reduced near peaks ("Objects as Points", Eq. 1; alpha 2, beta 4).

    Args:
        predicted: ``(B, C, h, w)`` responses in [0, 1].
        target: ``(B, C, h, w)`` responses in [0, 1]; 1 at a peak.
        mask: ``(B, 1, h, w)``, 1 = supervised.

    Returns:
        ``(B,)`` sums over an image, divided by its number of peaks, or by 1 if it has none.
    """
    predicted = predicted.clamp(_EPSILON, 1 - _EPSILON)
    is_peak = target == 1
    at_peaks = (1 - predicted).square() * predicted.log()
    elsewhere = (1 - target).pow(4) * predicted.square() * (1 - predicted).log()
    loss = -torch.where(is_peak, at_peaks, elsewhere) * mask
    peaks = (is_peak * mask).sum(dim=(1, 2, 3)).clamp(min=1)
    return loss.sum(dim=(1, 2, 3)) / peaks


def mean_l1(predicted: torch.Tensor, target: torch.Tensor, weights: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Compute the L1 loss of vectors at the cells that have targets.

    Args:
        predicted: ``(B, 2C, h, w)`` vectors.
        target: ``(B, 2C, h, w)`` vectors.
        weights: ``(B, C, h, w)``, 1 = the cell has a target, 0 = it has none.
        mask: ``(B, 1, h, w)``, 1 = supervised.

    Returns:
        ``(B,)`` means over the supervised coordinates of an image; 0 where it has none.
    """
    weights = (weights * mask).repeat_interleave(2, dim=1)
    error = ((predicted - target).abs() * weights).sum(dim=(1, 2, 3))
    return error / weights.sum(dim=(1, 2, 3)).clamp(min=1)


class CenterLoss(nn.Module):
    """Weighted sum of CenterNet's losses over all stacks.

    Each loss is a mean over one image first, then over images, so that its value does not depend on the distribution of
    a batch over devices. CenterNet computes means over the batch of a device.

    Args:
        stride: Px of the input image per cell. As in CenterNet, L1 losses are in cells.
        center_weight: Weight of the focal loss of centers.
        heatmap_weight: Weight of the focal loss of keypoints.
        offset_weight: Weight of the L1 of offsets from centers to keypoints.
        size_weight: Weight of the L1 of box sizes.
        refinement_weight: Weight of the L1 of both kinds of refinement offsets.
        stack_weights: One weight per stack, from first to last; None = equal weights that sum to 1.
    """

    def __init__(
        self,
        *,
        stride: Count = 4,
        center_weight: NotNegative = 1.0,
        heatmap_weight: NotNegative = 1.0,
        offset_weight: NotNegative = 1.0,
        size_weight: NotNegative = 0.1,
        refinement_weight: NotNegative = 1.0,
        stack_weights: Sequence[NotNegative] | None = None,
    ) -> None:
        super().__init__()
        self._stride = stride
        self._weights = {
            "center": center_weight,
            "heatmap": heatmap_weight,
            "offset": offset_weight,
            "size": size_weight,
            "center_refinement": refinement_weight,
            "refinement": refinement_weight,
        }
        self.stack_weights = None if stack_weights is None else tuple(stack_weights)

    def forward(self, stacks: Sequence[CenterMaps], targets: CenterTargets) -> LossTerms:
        """Compare the maps of all stacks with the targets of a batch, in float32.

        Raises:
            ValueError: The numbers of stack weights and stacks differ.
        """
        return compare_stacks(stacks, targets, self._parts, self._weights, self.stack_weights)

    def _parts(self, maps: CenterMaps, targets: CenterTargets) -> dict[str, torch.Tensor]:
        """Return the terms of one stack, ``(B,)`` each."""
        mask = targets.mask
        vectors = {
            "offset": mean_l1(maps.offsets, targets.offsets, targets.offset_weights, mask),
            "size": mean_l1(maps.sizes, targets.sizes, targets.center_weights, mask),
            "center_refinement": mean_l1(
                maps.center_refinements, targets.center_refinements, targets.center_weights, mask
            ),
            "refinement": mean_l1(maps.refinements, targets.refinements, targets.refinement_weights, mask),
        }
        return {
            "center": penalty_reduced_focal(maps.centers, targets.centers, mask),
            "heatmap": penalty_reduced_focal(maps.heatmaps, targets.heatmaps, mask),
            **{name: loss / self._stride for name, loss in vectors.items()},
        }
