"""PIFPAF's objective: cross entropy of responses, Laplace likelihoods of vectors, L1 of scales."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from gog_pose.methods.losses import LossTerms, compare_stacks, focal_cross_entropy
from gog_pose.methods.pifpaf.records import PifpafMaps, PifpafTargets
from gog_pose.system.options import Count, NotNegative

_LOG_2 = 0.694  # rounded as in the public program, so that the values are the same
_PER_CELLS = 1000  # sums over cells are divided by this, as in the public program
_LEAST_SPREAD = -7.0  # log cells; the heads stay far above it


def mean_cross_entropy(predicted: torch.Tensor, target: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Compute the cross entropy of responses.

    Args:
        predicted: ``(B, C, h, w)`` responses in [0, 1].
        target: ``(B, C, h, w)`` responses, 0 or 1.
        mask: ``(B, 1, h, w)`` or ``(B, C, h, w)``, 1 = supervised.

    Returns:
        ``(B,)`` means over the supervised cells of all maps of an image; 0 where it has none.
    """
    supervised = mask.expand_as(target).sum(dim=(1, 2, 3)).clamp(min=1)
    return focal_cross_entropy(predicted, target, mask, gamma=0.0) / supervised


def laplace(
    predicted: torch.Tensor, target: torch.Tensor, spreads: torch.Tensor, weights: torch.Tensor, stride: int
) -> torch.Tensor:
    """Compute the negative log-likelihood of error lengths ("PifPaf", Sec. 3.4), ``log 2b + |x - t| / b``, in cells.

    Args:
        predicted: ``(B, 2C, h, w)`` vectors x, px.
        target: ``(B, 2C, h, w)`` vectors t, px.
        spreads: ``(B, C, h, w)`` log b, b in px.
        weights: ``(B, C, h, w)``, 1 = the cell has a target, 0 = it has none.
        stride: Px per cell.

    Returns:
        ``(B,)`` sums over an image, in thousands.
    """
    spreads = (spreads - math.log(stride)).clamp(min=_LEAST_SPREAD)
    errors = ((predicted - target) / stride).reshape(len(target), -1, 2, *target.shape[2:])
    lengths = errors.norm(dim=2)  # its gradient is 0 at 0
    return _thousands(_LOG_2 + spreads + lengths * (-spreads).exp(), weights)


def sum_l1(predicted: torch.Tensor, target: torch.Tensor, weights: torch.Tensor, stride: int) -> torch.Tensor:
    """Compute the L1 loss of scales, in cells.

    Args:
        predicted: ``(B, C, h, w)`` scales, px.
        target: ``(B, C, h, w)`` scales, px.
        weights: ``(B, C, h, w)``, 1 = the cell has a target, 0 = it has none.
        stride: Px per cell.

    Returns:
        ``(B,)`` sums over an image, in thousands.
    """
    return _thousands((predicted - target).abs() / stride, weights)


class PifpafLoss(nn.Module):
    """Weighted sum of PIFPAF's losses over all stacks.

    The default weights are the public program's, for cells of stride 8. At stride 4 there are four times as many cells,
    but a square still has 16, so the weight of a keypoint in the mean cross entropy is a quarter.

    Args:
        stride: Px of the input image per cell of the features.
        coarser: Cells of the features per cell of the fields, along an axis.
        heatmap_weight: Weight of the cross entropy of keypoint responses.
        vector_weight: Weight of the likelihood of the vectors to keypoints.
        scale_weight: Weight of the L1 of scales.
        limb_heatmap_weight: Weight of the cross entropy of limb responses.
        limb_vector_weight: Weight of the likelihoods of the vectors to both ends of limbs.
        stack_weights: One weight per stack, from first to last; None = equal weights that sum to 1.
    """

    def __init__(
        self,
        *,
        stride: Count = 4,
        coarser: Count = 1,
        heatmap_weight: NotNegative = 30.0,
        vector_weight: NotNegative = 2.0,
        scale_weight: NotNegative = 2.0,
        limb_heatmap_weight: NotNegative = 50.0,
        limb_vector_weight: NotNegative = 3.0,
        stack_weights: Sequence[NotNegative] | None = None,
    ) -> None:
        super().__init__()
        self._stride = stride * coarser
        self._weights = {
            "heatmap": heatmap_weight,
            "vector": vector_weight,
            "scale": scale_weight,
            "limb_heatmap": limb_heatmap_weight,
            "limb_vector": limb_vector_weight,
        }
        self.stack_weights = None if stack_weights is None else tuple(stack_weights)

    def forward(self, stacks: Sequence[PifpafMaps], targets: PifpafTargets) -> LossTerms:
        """Compare the maps of all stacks with the targets of a batch, in float32.

        Raises:
            ValueError: The numbers of stack weights and stacks differ.
        """
        return compare_stacks(stacks, targets, self._parts, self._weights, self.stack_weights)

    def _parts(self, maps: PifpafMaps, targets: PifpafTargets) -> dict[str, torch.Tensor]:
        """Return the terms of one stack, ``(B,)`` each."""
        mask, stride = targets.mask, self._stride
        at_keypoints = targets.heatmaps * mask
        at_limbs = (targets.limb_heatmaps * mask).repeat(1, 2, 1, 1)
        return {
            "heatmap": mean_cross_entropy(maps.heatmaps, targets.heatmaps, mask),
            "vector": laplace(maps.vectors, targets.vectors, maps.spreads, at_keypoints, stride),
            "scale": sum_l1(maps.scales, targets.scales, at_keypoints, stride),
            "limb_heatmap": mean_cross_entropy(maps.limb_heatmaps, targets.limb_heatmaps, mask),
            "limb_vector": laplace(maps.limb_vectors, targets.limb_vectors, maps.limb_spreads, at_limbs, stride),
        }


def _thousands(loss: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return (loss * weights).sum(dim=(1, 2, 3)) / _PER_CELLS
