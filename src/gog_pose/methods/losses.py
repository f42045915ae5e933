"""Losses that methods share, and the record of an objective.

Every term is first a sum or mean over one image, then a mean over images, so its value does not depend on the batch
size or on the distribution of a batch over devices. All terms are computed in float32, because a sum over a heatmap
overflows half precision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F

from gog_pose.errors import InputError

_HEATMAP_LOSSES = ("l2", "cross_entropy")


@dataclass(frozen=True)
class HeatmapLoss:
    """Loss of heatmaps that the methods share.

    Attributes:
        kind: ``l2`` for ``focal_l2``; ``cross_entropy`` for ``focal_cross_entropy``, on responses that are sigmoids.
        gamma: Exponent of the focal factor.
        tau: Foreground threshold of the focal L2.

    Raises:
        InputError: The kind is unknown.
    """

    kind: str = "l2"
    gamma: float = 1.0
    tau: float = 0.01

    def __post_init__(self) -> None:
        """Check the kind."""
        if self.kind not in _HEATMAP_LOSSES:
            raise InputError(f"loss.heatmap_loss: {self.kind!r} is unknown; choose {' or '.join(_HEATMAP_LOSSES)}")

    def __call__(self, predicted: torch.Tensor, target: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the ``(B,)`` sums over keypoint types and cells, in float32."""
        if self.kind == "l2":
            return focal_l2(predicted.float(), target, mask, gamma=self.gamma, tau=self.tau)
        return focal_cross_entropy(predicted.float(), target, mask, gamma=self.gamma)


def focal_l2(
    predicted: torch.Tensor, target: torch.Tensor, mask: torch.Tensor, *, gamma: float, tau: float
) -> torch.Tensor:
    """Compute the focal L2 loss of heatmaps (Sec. 2.5; defined in the paper's reference [3]).

    ``0.5 (s - G)^2 |1 - s_t|^gamma`` with ``s_t = s`` where ``G >= tau`` (foreground) and ``1 - s`` elsewhere, so
    that cells that are already correct count less. The gradient includes the factor, as in the public code.

    Args:
        predicted: ``(B, K, h, w)`` responses ``s``.
        target: ``(B, K, h, w)`` responses ``G``.
        mask: ``(B, 1, h, w)``, 1 = supervised.
        gamma: Exponent; 0 gives the plain L2 loss.
        tau: Lowest target response of the foreground.

    Returns:
        ``(B,)`` sums over keypoint types and cells.
    """
    difficulty = torch.where(target >= tau, 1 - predicted, predicted).abs()
    loss = 0.5 * (predicted - target).square() * difficulty.pow(gamma) * mask
    return loss.sum(dim=(1, 2, 3))


def focal_cross_entropy(
    predicted: torch.Tensor, target: torch.Tensor, mask: torch.Tensor, *, gamma: float
) -> torch.Tensor:
    """Compute the focal cross entropy of heatmaps with targets between 0 and 1.

    ``|s - G|^gamma (-G log s - (1 - G) log(1 - s))``, the quality focal loss of "Generalized Focal Loss" (Li et al.,
    2020). Unlike the focal L2 it also corrects confident errors, where the gradient of a sigmoid vanishes.

    Args:
        predicted: ``(B, K, h, w)`` responses ``s``, between 0 and 1.
        target: ``(B, K, h, w)`` responses ``G``.
        mask: ``(B, 1, h, w)``, 1 = supervised.
        gamma: Exponent; 0 gives the plain cross entropy.

    Returns:
        ``(B,)`` sums over keypoint types and cells.
    """
    entropy = F.binary_cross_entropy(predicted.clamp(0, 1), target, reduction="none")
    return ((predicted - target).abs().pow(gamma) * entropy * mask).sum(dim=(1, 2, 3))


def weighted_l1(
    predicted: torch.Tensor, target: torch.Tensor, weights: torch.Tensor, mask: torch.Tensor
) -> torch.Tensor:
    """Compute the L1 loss of offsets on their supports (Sec. 2.5).

    The weight of guiding offsets is 1 / scale of their person, so that errors are in units of that scale. The weight of
    refinement offsets is 1, so that errors are in px.

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
    """The objective and its terms, as means over the images of a batch.

    Attributes:
        total: Scalar to minimize.
        parts: Each unweighted term by name, ``(S,)``, one number per stack.
    """

    total: torch.Tensor
    parts: dict[str, torch.Tensor]


def compare_stacks(
    stacks: Sequence[Any],
    targets: Any,
    parts_of: Callable[[Any, Any], dict[str, torch.Tensor]],
    weights: dict[str, float],
    stack_weights: Sequence[float] | None,
) -> LossTerms:
    """Compare the maps of all stacks with the targets of a batch, in float32.

    Args:
        stacks: A record of maps per stack, which may be in half precision.
        targets: Targets of the batch, with an attribute ``heatmaps``.
        parts_of: Function of maps and targets that returns the terms of one stack, ``(B,)`` each.
        weights: As for ``sum_over_stacks``.
        stack_weights: As for ``sum_over_stacks``.

    Raises:
        ValueError: The numbers of stack weights and stacks differ.
    """
    with torch.autocast(targets.heatmaps.device.type, enabled=False):
        parts = [
            parts_of(maps._make(None if field is None else field.float() for field in maps), targets) for maps in stacks
        ]
        joined = {name: torch.stack([of_stack[name].mean() for of_stack in parts]) for name in parts[0]}
        return sum_over_stacks(joined, weights, stack_weights)


def sum_over_stacks(
    parts: dict[str, torch.Tensor], weights: dict[str, float], stack_weights: Sequence[float] | None
) -> LossTerms:
    """Weight the terms of an objective and sum them over the stacks (intermediate supervision).

    Args:
        parts: Each term by name, ``(S,)``.
        weights: Weight of each term.
        stack_weights: One weight per stack, from first to last; None = equal weights that sum to 1.

    Raises:
        ValueError: The numbers of stack weights and stacks differ.
    """
    terms = sum(weights[name] * part for name, part in parts.items())
    assert isinstance(terms, torch.Tensor)
    of_stacks = stack_weights or (1 / len(terms),) * len(terms)
    if len(of_stacks) != len(terms):
        raise ValueError(f"{len(of_stacks)} stack_weights for a network of {len(terms)} stacks")
    total = (terms * terms.new_tensor(of_stacks)).sum()
    return LossTerms(total, {name: part.detach() for name, part in parts.items()})
