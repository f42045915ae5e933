"""Heads: from the features of a stack to its maps. Each way of grouping has its own."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import nn

from gog_pose.center.heads import CenterHeads
from gog_pose.interfaces import Maps
from gog_pose.records import PoseMaps
from gog_pose.skeleton import Skeleton


class Heads(Protocol):
    """The heads of all stacks of a network, an ``nn.Module``."""

    def __init__(
        self, skeleton: Skeleton, width: int, stacks: int, stride: int, *, offset_unit: float, refinement: bool
    ) -> None:
        """Make heads on ``width`` channels for each stack; further arguments as of ``PoseNetwork``."""

    def answer(self, stack: int, features: torch.Tensor) -> Maps:
        """Return the maps of a stack from its ``(B, width, h, w)`` float32 features."""


class GogHeads(nn.Module):
    """One 1x1 convolution for each kind of map (Sec. 2.5): heatmaps, guiding offsets and, if asked for, refinement.

    Args:
        skeleton: Sets the number of maps.
        width: Channels of the features.
        stacks: Number of stacks.
        stride: Input px a cell; the unit of refinement offsets, since they are a cell long.
        offset_unit: Input px that one unit of the offset heads stands for.
        refinement: Whether there is a head for refinement offsets.
    """

    def __init__(
        self, skeleton: Skeleton, width: int, stacks: int, stride: int, *, offset_unit: float, refinement: bool
    ) -> None:
        super().__init__()
        self._offset_unit = offset_unit
        self._stride = stride
        self.heatmap = nn.ModuleList(nn.Conv2d(width, skeleton.num_keypoints, 1) for _ in range(stacks))
        self.offset = nn.ModuleList(nn.Conv2d(width, 2 * skeleton.num_limbs, 1) for _ in range(stacks))
        self.refinement = nn.ModuleList(nn.Conv2d(width, 2, 1) for _ in range(stacks if refinement else 0))
        for head in (*self.heatmap, *self.offset, *self.refinement):
            nn.init.normal_(head.weight, std=0.001)
            nn.init.zeros_(head.bias)

    def answer(self, stack: int, features: torch.Tensor) -> PoseMaps:
        """Return the maps of a stack; all offsets in float32 px of the input image."""
        offsets = self.offset[stack](features).float() * self._offset_unit
        refinements = self.refinement[stack](features).float() * self._stride if self.refinement else None
        return PoseMaps(self.heatmap[stack](features), offsets, refinements)


HEADS: dict[str, Any] = {"gog": GogHeads, "center": CenterHeads}
