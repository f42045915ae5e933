"""The objective of Associative Embedding: focal L2 of heatmaps, and the pull and push losses of tags."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from gog_pose.errors import InputError
from gog_pose.methods.associative_embedding.records import AssociativeMaps, AssociativeTargets
from gog_pose.methods.losses import HeatmapLoss, LossTerms, compare_stacks


def tag_losses(tags: torch.Tensor, people: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute the losses of tags (Newell et al., 2017, Eq. 1, as in HigherHRNet's program).

    Let ``m_p`` be the mean tag of person p's keypoints. Pull is the mean over people of the mean squared distance to
    ``m_p``. Push is the mean over ordered pairs of different people of ``0.5 exp(-(m_p - m_q)^2)``.

    Args:
        tags: ``(B, K, h, w)``.
        people: For each image the ``(P, K)`` cells of its people, -1 = none.

    Returns:
        ``(B,)`` pull, 0 for images without labeled people, and ``(B,)`` push, 0 for images with fewer than two.
    """
    cells = torch.cat(list(people))  # (N, K) of all images
    image = torch.cat([torch.full((len(one),), place, device=tags.device) for place, one in enumerate(people)])
    labeled = cells >= 0
    kinds = torch.arange(tags.shape[1], device=tags.device)
    values = tags.flatten(2)[image[:, None], kinds, cells.clamp(min=0)]
    number = labeled.sum(dim=1)
    means = (values * labeled).sum(dim=1) / number
    spread = ((values - means[:, None]).square() * labeled).sum(dim=1) / number
    other = (image[:, None] == image) & ~torch.eye(len(image), dtype=torch.bool, device=tags.device)
    alike = (torch.exp(-(means[:, None] - means).square()) * other).sum(dim=1) / 2

    count = torch.bincount(image, minlength=len(tags))
    none = tags.new_zeros(len(tags))
    pull = none.index_add(0, image, spread) / count.clamp(min=1)
    push = none.index_add(0, image, alike) / (count * (count - 1)).clamp(min=1)
    return pull, push


class AssociativeLoss(nn.Module):
    """Weighted sum of the losses over all stacks (every stack has the same targets).

    Args:
        heatmap_weight: Weight of the heatmap loss.
        heatmap_loss: Kind of the heatmap loss, ``l2`` or ``cross_entropy`` (``HeatmapLoss``).
        fine_heatmap_weight: Weight of the loss of the fine heatmaps, if there are any. They have four times as many
            cells, so 0.25 weights both resolutions equally, like the public program's means over cells.
        pull_weight: Weight of the pull. The public weight is 1e-3 relative to a mean over the cells of 512 px crops,
            which corresponds to 139 relative to half the sum over cells, as here. The focal factor makes the heatmap
            loss smaller.
        push_weight: Weight of the push; the public program has the same weight for pull and push.
        stack_weights: One weight per stack, from first to last; None = equal weights that sum to 1.
        gamma: Exponent of the heatmap loss; 0 = without focal factor, as in the public program.
        tau: Foreground threshold of the focal L2.
    """

    def __init__(
        self,
        *,
        heatmap_weight: float = 1.0,
        heatmap_loss: str = "l2",
        fine_heatmap_weight: float = 0.25,
        pull_weight: float = 100.0,
        push_weight: float = 100.0,
        stack_weights: Sequence[float] | None = None,
        gamma: float = 1.0,
        tau: float = 0.01,
    ) -> None:
        super().__init__()
        self._weights = {
            "heatmap": heatmap_weight,
            "pull": pull_weight,
            "push": push_weight,
            "fine_heatmap": fine_heatmap_weight,
        }
        self.stack_weights = None if stack_weights is None else tuple(stack_weights)
        self.heatmap_loss = HeatmapLoss(heatmap_loss, gamma, tau)

    def forward(self, stacks: Sequence[AssociativeMaps], targets: AssociativeTargets) -> LossTerms:
        """Compare the maps of all stacks with the targets of a batch, in float32.

        Raises:
            InputError: Only one of network and encoder has fine heatmaps.
            ValueError: The numbers of stack weights and stacks differ.
        """
        return compare_stacks(stacks, targets, self._parts, self._weights, self.stack_weights)

    def _parts(self, maps: AssociativeMaps, targets: AssociativeTargets) -> dict[str, torch.Tensor]:
        """Return the terms of one stack, ``(B,)`` each."""
        pull, push = tag_losses(maps.tags, targets.people)
        parts = {
            "heatmap": self.heatmap_loss(maps.heatmaps, targets.heatmaps, targets.mask),
            "pull": pull,
            "push": push,
        }
        if (maps.fine_heatmaps is None) != (targets.fine_heatmaps is None):
            raise InputError(
                "method.heads.resolutions and method.encoder.resolutions must be equal: the heads predict fine"
                " heatmaps, the encoder renders their targets"
            )
        if maps.fine_heatmaps is not None:
            assert targets.fine_heatmaps is not None
            assert targets.fine_mask is not None
            parts["fine_heatmap"] = self.heatmap_loss(maps.fine_heatmaps, targets.fine_heatmaps, targets.fine_mask)
        return parts
