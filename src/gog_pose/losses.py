"""The training objective: focal L2 on heatmaps, L1 on guiding and refinement offsets, over all stacks (Sec. 2.5).

Every term is a sum or mean over one image first, then a mean over images: its value does not depend on the batch size
or on how a batch is spread over devices. All of it is computed in float32, since a sum over a heatmap overflows half
precision.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from gog_pose.errors import InputError
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


def weighted_l1(
    predicted: torch.Tensor, target: torch.Tensor, weights: torch.Tensor, mask: torch.Tensor
) -> torch.Tensor:
    """L1 loss of offsets on their supports (Sec. 2.5).

    Guiding offsets weigh 1 / scale of their person, which gives errors in units of that scale; refinement offsets
    weigh 1, which gives errors in px.

    Args:
        predicted: ``(B, 2C, h, w)`` offsets, px of the input image.
        target: ``(B, 2C, h, w)`` offsets, px of the input image.
        weights: ``(B, C, h, w)``, 0 outside of supports.
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
        parts: Each term by name, ``(S,)`` unweighted, one number a stack.
    """

    total: torch.Tensor
    parts: dict[str, torch.Tensor]


def require_finite(terms: LossTerms, image_ids: torch.Tensor) -> None:
    """Stop a training that has gone wrong before it takes a step that nothing recovers from.

    Args:
        terms: The objective of a batch.
        image_ids: ``(B,)`` the images of the batch.

    Raises:
        InputError: A term is infinite or not a number; the message names it and the images.
    """
    if bool(terms.total.isfinite()):
        return
    wrong = [
        f"{name} of stack {stack} is {value}"
        for name, part in terms.parts.items()
        for stack, value in enumerate(part.tolist())
        if not math.isfinite(value)
    ]
    images = ", ".join(map(str, image_ids.tolist()))
    raise InputError(
        f"training: the loss is not finite ({'; '.join(wrong) or 'total'}) on images {images}; lower"
        " optim.optimizer.lr, set trainer.gradient_clip_val, or use trainer.precision=32-true, and go on with resume="
    )


def sum_over_stacks(
    parts: dict[str, torch.Tensor], weights: dict[str, float], stack_weights: Sequence[float] | None
) -> LossTerms:
    """Weigh the terms of an objective and sum them over the stacks (intermediate supervision).

    Args:
        parts: Each term by name, ``(S,)``.
        weights: Of each term.
        stack_weights: One a stack, from first to last; equal weights that sum to 1 where it is None.

    Raises:
        ValueError: There are not as many stack weights as stacks.
    """
    terms = sum(weights[name] * part for name, part in parts.items())
    assert isinstance(terms, torch.Tensor)
    of_stacks = stack_weights or (1 / len(terms),) * len(terms)
    if len(of_stacks) != len(terms):
        raise ValueError(f"{len(of_stacks)} stack_weights for a network of {len(terms)} stacks")
    total = (terms * terms.new_tensor(of_stacks)).sum()
    return LossTerms(total, {name: part.detach() for name, part in parts.items()})


class PoseLoss(nn.Module):
    """Weighted sum of the losses over all stacks (intermediate supervision: every stack has the same targets).

    Args:
        heatmap_weight: Weight of the focal L2.
        offset_weight: Weight of the offset loss. The paper gives none; the public code has 10000 on a mean over the
            batch that it divides once more by the batch size of a device, and takes the root of each error.
        refinement_weight: Weight of the loss of refinement offsets, where there are any. The paper gives none; the
            public code's default is 100 on a mean that it divides once more by the batch size of a device, 8 in its
            recipe, which is about 10.
        stack_weights: One weight a stack, from first to last; equal weights that sum to 1 where it is None.
        gamma: Exponent of the focal L2. The public code trains with 1 whatever its command line says.
        tau: Foreground threshold of the focal L2.
    """

    def __init__(
        self,
        *,
        heatmap_weight: float = 1.0,
        offset_weight: float = 1000.0,
        refinement_weight: float = 10.0,
        stack_weights: Sequence[float] | None = None,
        gamma: float = 1.0,
        tau: float = 0.01,
    ) -> None:
        super().__init__()
        self._weights = {"heatmap": heatmap_weight, "offset": offset_weight, "refinement": refinement_weight}
        self.stack_weights = None if stack_weights is None else tuple(stack_weights)
        self.gamma = gamma
        self.tau = tau

    def forward(self, stacks: Sequence[PoseMaps], targets: PoseTargets) -> LossTerms:
        """Compare the maps of all stacks with the targets of a batch.

        Raises:
            InputError: The network answers refinement offsets that the encoder does not draw, or the other way round,
                or maps or targets are those of another way of grouping.
            ValueError: There are not as many stack weights as stacks.
        """
        if not (isinstance(targets, PoseTargets) and isinstance(stacks[-1], PoseMaps)):
            raise InputError("loss: this one is for maps and targets of grouping=gog; for others choose loss=center")
        with torch.autocast(targets.heatmaps.device.type, enabled=False):
            parts = {
                "heatmap": torch.stack([self._heatmap(maps, targets) for maps in stacks]),
                "offset": torch.stack([self._offset(maps, targets) for maps in stacks]),
            }
            if targets.refinements is not None or stacks[-1].refinements is not None:
                parts["refinement"] = torch.stack([self._refinement(maps, targets) for maps in stacks])
            return sum_over_stacks(parts, self._weights, self.stack_weights)

    def _heatmap(self, maps: PoseMaps, targets: PoseTargets) -> torch.Tensor:
        predicted = maps.heatmaps.float()
        return focal_l2(predicted, targets.heatmaps, targets.mask, gamma=self.gamma, tau=self.tau).mean()

    def _offset(self, maps: PoseMaps, targets: PoseTargets) -> torch.Tensor:
        return weighted_l1(maps.offsets.float(), targets.offsets, targets.offset_weights, targets.mask).mean()

    def _refinement(self, maps: PoseMaps, targets: PoseTargets) -> torch.Tensor:
        if maps.refinements is None or targets.refinements is None or targets.refinement_weights is None:
            raise InputError(
                "model.refinement and encoder.refinement must both be on or both be off (0): the one is the head for"
                " refinement offsets, the other draws their targets"
            )
        predicted = maps.refinements.float()
        return weighted_l1(predicted, targets.refinements, targets.refinement_weights, targets.mask).mean()
