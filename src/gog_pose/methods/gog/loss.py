"""The paper's objective: focal L2 of heatmaps, L1 of guiding and refinement offsets, over all stacks (Sec. 2.5)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from gog_pose.errors import InputError
from gog_pose.methods.gog.records import PoseMaps, PoseTargets
from gog_pose.methods.losses import HeatmapLoss, LossTerms, sum_over_stacks, weighted_l1
from gog_pose.system.options import NotNegative, Share


def spread_loss(
    spreads: torch.Tensor, offsets: torch.Tensor, target: torch.Tensor, weights: torch.Tensor, mask: torch.Tensor
) -> torch.Tensor:
    """Compute the negative log-likelihood of the lengths of the offset errors, ``log(2 b / s) + |d| / b``.

    It is that of a Laplace distribution of scale b, as in "PifPaf" (Kreiss, Bertoni, Alahi, 2019, Sec. 3.4). The error
    d and the spread b are in units of the person's scale s, so that the value does not grow with the person. Only the
    spreads have a gradient: the offsets are taught by their own loss alone.

    Args:
        spreads: ``(B, L, h, w)`` log b, b in px of the input image.
        offsets: ``(B, 2L, h, w)`` offsets, px of the input image.
        target: ``(B, 2L, h, w)`` offsets, px of the input image.
        weights: ``(B, L, h, w)`` 1 / s, 1 / px, on the supports of the offsets, 0 elsewhere.
        mask: ``(B, 1, h, w)``, 1 = supervised.

    Returns:
        ``(B,)`` means over the supervised cells of all limbs of an image; 0 where it has none.
    """
    supervised = weights * mask > 0
    errors = (offsets.detach() - target).reshape(len(target), -1, 2, *target.shape[2:]).norm(dim=2)
    relative = math.log(2) + spreads + torch.where(supervised, weights, 1).log()
    likelihoods = torch.where(supervised, relative + errors * (-spreads).exp(), 0)
    return likelihoods.sum(dim=(1, 2, 3)) / supervised.sum(dim=(1, 2, 3)).clamp(min=1)


class GogLoss(nn.Module):
    """Weighted sum of the losses over all stacks (intermediate supervision: every stack has the same targets).

    Args:
        heatmap_weight: Weight of the heatmap loss.
        heatmap_loss: ``l2``, the paper's focal L2, or ``cross_entropy``, for responses that are sigmoids.
        offset_weight: Weight of the offset loss. The paper has none. The public code has 10000 for a mean over the
            batch that it divides again by the batch size per device, with the square root of each error.
        refinement_weight: Weight of the loss of refinement offsets, if there are any. The paper has none. The public
            code's default is 100 for a mean that it divides again by the batch size per device, 8 in its recipe, which
            corresponds to about 10.
        spread_weight: Weight of the loss of spreads (``spread_loss``), if the network has them. The paper has none.
        stack_weights: One weight per stack, from first to last; None = equal weights that sum to 1.
        gamma: Exponent of the heatmap loss. The public code trains with 1, whatever its command-line option.
        tau: Foreground threshold of the focal L2.

    Raises:
        InputError: The heatmap loss is unknown.
    """

    def __init__(
        self,
        *,
        heatmap_weight: NotNegative = 1.0,
        heatmap_loss: str = "l2",
        offset_weight: NotNegative = 1000.0,
        refinement_weight: NotNegative = 10.0,
        spread_weight: NotNegative = 1.0,
        stack_weights: Sequence[NotNegative] | None = None,
        gamma: NotNegative = 1.0,
        tau: Share = 0.01,
    ) -> None:
        super().__init__()
        self.heatmap_loss = HeatmapLoss(heatmap_loss, gamma, tau)
        self._weights = {
            "heatmap": heatmap_weight,
            "offset": offset_weight,
            "refinement": refinement_weight,
            "spread": spread_weight,
        }
        self.stack_weights = None if stack_weights is None else tuple(stack_weights)

    def forward(self, stacks: Sequence[PoseMaps], targets: PoseTargets) -> LossTerms:
        """Compare the maps of all stacks with the targets of a batch.

        Raises:
            InputError: Only one of network and encoder has refinement offsets.
            ValueError: The numbers of stack weights and stacks differ.
        """
        with torch.autocast(targets.heatmaps.device.type, enabled=False):
            parts = {
                "heatmap": torch.stack([self._heatmap(maps, targets) for maps in stacks]),
                "offset": torch.stack([self._offset(maps, targets) for maps in stacks]),
            }
            if targets.refinements is not None or stacks[-1].refinements is not None:
                parts["refinement"] = torch.stack([self._refinement(maps, targets) for maps in stacks])
            if stacks[-1].spreads is not None:
                parts["spread"] = torch.stack([self._spread(maps, targets) for maps in stacks])
            return sum_over_stacks(parts, self._weights, self.stack_weights)

    def _heatmap(self, maps: PoseMaps, targets: PoseTargets) -> torch.Tensor:
        return self.heatmap_loss(maps.heatmaps, targets.heatmaps, targets.mask).mean()

    def _offset(self, maps: PoseMaps, targets: PoseTargets) -> torch.Tensor:
        return weighted_l1(maps.offsets.float(), targets.offsets, targets.offset_weights, targets.mask).mean()

    def _refinement(self, maps: PoseMaps, targets: PoseTargets) -> torch.Tensor:
        if maps.refinements is None or targets.refinements is None or targets.refinement_weights is None:
            raise InputError(
                "method.heads.refinement and method.encoder.refinement must both be on or both be off (0): the heads"
                " predict refinement offsets, the encoder renders their targets"
            )
        predicted = maps.refinements.float()
        return weighted_l1(predicted, targets.refinements, targets.refinement_weights, targets.mask).mean()

    def _spread(self, maps: PoseMaps, targets: PoseTargets) -> torch.Tensor:
        assert maps.spreads is not None  # all stacks have the same heads
        offsets = maps.offsets.float()
        return spread_loss(maps.spreads.float(), offsets, targets.offsets, targets.offset_weights, targets.mask).mean()
