"""The loss: maps and targets to the objective."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from gog_pose.methods.minimal.records import MinimalMaps, MinimalTargets
from torch import nn

from gog_pose.geometry import cells_to_image, image_to_cells
from gog_pose.methods.losses import LossTerms, sum_over_stacks


class MinimalLoss(nn.Module):
    """L2 on responses, L1 on the vectors in the cells of people's means; a mean per image first."""

    def __init__(self, *, stride: int = 4, vector_weight: float = 0.01) -> None:
        super().__init__()
        self._stride = stride
        self._weights = {"mean": 1.0, "vector": vector_weight}

    def forward(self, outputs: Sequence[MinimalMaps], targets: MinimalTargets) -> LossTerms:
        """Compare all outputs with the targets of a batch."""
        with torch.autocast(targets.means.device.type, enabled=False):
            parts = {
                "mean": torch.stack([self._means(maps, targets) for maps in outputs]),
                "vector": torch.stack([self._vectors(maps, targets) for maps in outputs]),
            }
            return sum_over_stacks(parts, self._weights, None)

    def _means(self, maps: MinimalMaps, targets: MinimalTargets) -> torch.Tensor:
        return ((maps.means.float() - targets.means).square() * targets.mask).sum(dim=(1, 2, 3)).mean()

    def _vectors(self, maps: MinimalMaps, targets: MinimalTargets) -> torch.Tensor:
        losses = [self._image(vectors, people) for vectors, people in zip(maps.vectors, targets.people, strict=True)]
        return torch.stack(losses).mean()

    def _image(self, vectors: torch.Tensor, people: torch.Tensor) -> torch.Tensor:
        stride, last = 2 * self._stride, torch.tensor([vectors.shape[2] - 1, vectors.shape[1] - 1])
        cells = image_to_cells(people[:, -1, :2], stride).round().clamp(min=0).minimum(last.to(people.device))
        column, row = cells.long().unbind(1)
        read = vectors.float()[:, row, column].T.reshape(len(people), people.shape[1] - 1, 2)
        labelled = people[:, :-1, 2:] > 0
        error = (cells_to_image(cells, stride)[:, None] + read - people[:, :-1, :2]).abs() * labelled
        return error.sum() / labelled.sum().clamp(min=1)
