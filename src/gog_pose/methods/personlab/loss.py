"""PersonLab's objective: cross entropy of disks, L1 of short-range and refined mid-range offsets, over all stacks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from gog_pose.geometry import cells_to_image
from gog_pose.methods.losses import LossTerms, compare_stacks, focal_cross_entropy, weighted_l1
from gog_pose.methods.personlab.records import PersonLabMaps, PersonLabTargets, edges
from gog_pose.methods.personlab.refinement import refined
from gog_pose.skeleton import Skeleton
from gog_pose.system.options import Count, CountOrZero, NotNegative, Positive


class PersonLabLoss(nn.Module):
    """Weighted sum of PersonLab's losses over all stacks (Sec. 3.1 and 4.1 of its paper).

    The heatmap loss is a mean over the types and cells of an image, in which ignored cells count as 0. Errors of
    offsets are in units of the radius, summed over x and y and averaged over the cells of an image's disks; those of
    mid-range offsets are halved, as in the public program. Means are first over one image, then over images.

    Args:
        skeleton: Determines the edges.
        stride: Px of the input image per cell.
        radius: Radius of the disks, px of the input image.
        heatmap_weight: Weight of the cross entropy.
        gamma: Exponent of its focal factor (``focal_cross_entropy``); 0 = no focal factor, as in the paper.
        short_weight: Weight of the L1 of short-range offsets.
        mid_weight: Weight of the L1 of mid-range offsets.
        steps: Number of refinements of mid-range offsets before the comparison; 0 = none.
        stack_weights: One weight per stack, from first to last; None = equal weights that sum to 1.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        *,
        stride: Count = 4,
        radius: Positive = 32.0,
        heatmap_weight: NotNegative = 4.0,
        gamma: NotNegative = 0.0,
        short_weight: NotNegative = 1.0,
        mid_weight: NotNegative = 0.25,
        steps: CountOrZero = 2,
        stack_weights: Sequence[NotNegative] | None = None,
    ) -> None:
        super().__init__()
        self._ends = [end for _, end in edges(skeleton)]
        self._stride, self._radius, self._gamma, self._steps = stride, radius, gamma, steps
        self._weights = {"heatmap": heatmap_weight, "short": short_weight, "mid": mid_weight}
        self.stack_weights = None if stack_weights is None else tuple(stack_weights)

    def forward(self, stacks: Sequence[PersonLabMaps], targets: PersonLabTargets) -> LossTerms:
        """Compare the maps of all stacks with the targets of a batch, in float32.

        Raises:
            ValueError: The numbers of stack weights and stacks differ.
        """
        return compare_stacks(stacks, targets, self._parts, self._weights, self.stack_weights)

    def _parts(self, maps: PersonLabMaps, targets: PersonLabTargets) -> dict[str, torch.Tensor]:
        """Return the terms of one stack, ``(B,)`` each."""
        heatmap = focal_cross_entropy(maps.heatmaps, targets.heatmaps, targets.mask, gamma=self._gamma)
        short = weighted_l1(maps.short_offsets, targets.short_offsets, targets.heatmaps, targets.mask)
        return {
            "heatmap": heatmap / targets.heatmaps[0].numel(),
            "short": 2 * short / self._radius,
            "mid": self._mid(maps, targets) / self._radius,
        }

    def _mid(self, maps: PersonLabMaps, targets: PersonLabTargets) -> torch.Tensor:
        """Return the ``(B,)`` mean errors per coordinate, px; only offsets that have targets are refined."""
        types, height, width = targets.heatmaps.shape[1:]
        mid_weights = targets.mid_weights * targets.mask
        place = mid_weights.flatten().nonzero()[:, 0]
        item, cell = place // (height * width), place % (height * width)
        image, edge = item // mid_weights.shape[1], item % mid_weights.shape[1]
        x = 2 * item * (height * width) + cell  # index into the maps of mid-range offsets
        predicted, taught = (
            torch.stack(
                [field.flatten().index_select(0, x), field.flatten().index_select(0, x + height * width)], dim=1
            )
            for field in (maps.mid_offsets, targets.mid_offsets)
        )
        origins = cells_to_image(torch.stack([cell % width, cell // width], dim=1).float(), self._stride)
        ends = edge.new_tensor(self._ends)[edge]
        reached = refined(
            origins + predicted,
            maps.short_offsets.reshape(-1, 2, height, width),
            image * types + ends,
            stride=self._stride,
            steps=self._steps,
        )
        error = (reached - origins - taught).abs().sum(dim=1)
        sums = error.new_zeros(len(mid_weights)).index_add(0, image, error)
        return sums / (2 * torch.bincount(image, minlength=len(mid_weights))).clamp(min=1)
