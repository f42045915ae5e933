"""The training objective: focal L2 on heatmaps, scale-normalised L1 on guiding offsets, over all stacks (Sec. 2.5).

Every term is a sum or mean over one image first, then a mean over images: its value does not depend on the batch size
or on how a batch is spread over devices. All of it is computed in float32, since a sum over a heatmap overflows half
precision.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from gog_pose.records import PoseMaps, PoseTargets


def focal_l2(
    predicted: torch.Tensor, target: torch.Tensor, mask: torch.Tensor, *, gamma: float, tau: float
) -> torch.Tensor:
    """Focal L2 loss of heatmaps (Sec. 2.5; defined in the paper's reference [3]).

    ``0.5 (s - G)^2 |1 - s_t|^gamma`` with ``s_t = s`` where ``G >= tau`` (foreground) and ``1 - s`` elsewhere, so
    that cells that are already right count less. The factor takes part in the gradient, as in the public code.

    Args:
        predicted: ``(B, K, h, w)`` responses ``s``.
        target: ``(B, K, h, w)`` responses ``G``.
        mask: ``(B, 1, h, w)``, 1 = supervised.
        gamma: Exponent; 0 gives the plain L2 loss.
        tau: What counts as foreground.

    Returns:
        ``(B,)`` sums over keypoint types and cells.
    """
    difficulty = torch.where(target >= tau, 1 - predicted, predicted).abs()
    loss = 0.5 * (predicted - target).square() * difficulty.pow(gamma) * mask
    return loss.sum(dim=(1, 2, 3))


def scale_normalised_l1(
    predicted: torch.Tensor, target: torch.Tensor, weights: torch.Tensor, mask: torch.Tensor
) -> torch.Tensor:
    """L1 loss of guiding offsets, in units of the person's scale, on the supports of limbs (Sec. 2.5).

    Args:
        predicted: ``(B, 2L, h, w)`` offsets, px of the input image.
        target: ``(B, 2L, h, w)`` offsets, px of the input image.
        weights: ``(B, L, h, w)`` 1 / scale on supports, 0 elsewhere.
        mask: ``(B, 1, h, w)``, 1 = supervised.

    Returns:
        ``(B,)`` means over the supervised coordinates of an image; 0 where it has none.
    """
    weights = (weights * mask).repeat_interleave(2, dim=1)
    error = (predicted - target).abs() * weights
    supervised = (weights > 0).sum(dim=(1, 2, 3)).clamp(min=1)
    return error.sum(dim=(1, 2, 3)) / supervised


class LossTerms(NamedTuple):
    """The objective and what it is made of, means over the images of a batch.

    Attributes:
        total: Scalar to minimise.
        heatmap: ``(S,)`` unweighted focal L2 of each stack.
        offset: ``(S,)`` unweighted offset loss of each stack, in person scales.
    """

    total: torch.Tensor
    heatmap: torch.Tensor
    offset: torch.Tensor


class PoseLoss(nn.Module):
    """Weighted sum of both losses over all stacks (intermediate supervision: every stack has the same targets).

    Args:
        heatmap_weight: Weight of the focal L2.
        offset_weight: Weight of the offset loss. The paper gives none; the public code has 10000 on a mean over the
            batch that it divides once more by the batch size of a device, and takes the root of each error.
        stack_weights: One weight a stack, from first to last; equal weights that sum to 1 where it is None.
        gamma: Exponent of the focal L2. The public code trains with 1 whatever its command line says.
        tau: Foreground threshold of the focal L2.
    """

    def __init__(
        self,
        *,
        heatmap_weight: float = 1.0,
        offset_weight: float = 1000.0,
        stack_weights: Sequence[float] | None = None,
        gamma: float = 1.0,
        tau: float = 0.01,
    ) -> None:
        super().__init__()
        self.heatmap_weight = heatmap_weight
        self.offset_weight = offset_weight
        self.stack_weights = None if stack_weights is None else tuple(stack_weights)
        self.gamma = gamma
        self.tau = tau

    def forward(self, stacks: Sequence[PoseMaps], targets: PoseTargets) -> LossTerms:
        """Compare the maps of all stacks with the targets of a batch.

        Raises:
            ValueError: There are not as many stack weights as stacks.
        """
        weights = self.stack_weights or (1 / len(stacks),) * len(stacks)
        if len(weights) != len(stacks):
            raise ValueError(f"{len(weights)} stack_weights for a network of {len(stacks)} stacks")
        with torch.autocast(targets.heatmaps.device.type, enabled=False):
            heatmap = torch.stack(
                [
                    focal_l2(
                        maps.heatmaps.float(), targets.heatmaps, targets.mask, gamma=self.gamma, tau=self.tau
                    ).mean()
                    for maps in stacks
                ]
            )
            offset = torch.stack(
                [
                    scale_normalised_l1(
                        maps.offsets.float(), targets.offsets, targets.offset_weights, targets.mask
                    ).mean()
                    for maps in stacks
                ]
            )
            terms = self.heatmap_weight * heatmap + self.offset_weight * offset
            return LossTerms((terms * terms.new_tensor(weights)).sum(), heatmap.detach(), offset.detach())
