"""The paper's heads: one 1x1 convolution for each kind of map (Sec. 2.5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from gog_pose.methods.gog.records import PoseMaps
from gog_pose.methods.method import FeatureMap
from gog_pose.skeleton import Skeleton


class GogHeads(nn.Module):
    """Heatmaps, guiding offsets and, if asked for, refinement offsets of each supervised output.

    Args:
        skeleton: Sets the number of maps.
        features: The feature maps that the heads are built on.
        offset_unit: Input px that one unit of the offset heads represents. 1 is the public code's; a larger unit lets a
            network that starts from scratch reach offsets of a hundred px with small weights, and keeps them precise
            in half precision.
        refinement: Whether there is a head for refinement offsets. Any number but 0 means yes, so that the encoder's
            option can be given: no head without targets for it.
    """

    def __init__(
        self, skeleton: Skeleton, features: Sequence[FeatureMap], *, offset_unit: float = 1.0, refinement: int = 0
    ) -> None:
        super().__init__()
        self._offset_unit = offset_unit
        self._refines = bool(refinement)
        self._strides = [feature.stride for feature in features]  # refinement offsets are a cell long
        self.heatmap = nn.ModuleList(nn.Conv2d(one.channels, skeleton.num_keypoints, 1) for one in features)
        self.offset = nn.ModuleList(nn.Conv2d(one.channels, 2 * skeleton.num_limbs, 1) for one in features)
        self.refinement = nn.ModuleList(nn.Conv2d(one.channels, 2, 1) for one in features if refinement)
        for head in (*self.heatmap, *self.offset, *self.refinement):
            nn.init.normal_(head.weight, std=0.001)
            nn.init.zeros_(head.bias)

    def forward(self, features: Sequence[torch.Tensor]) -> list[PoseMaps]:
        """Return the maps of each output; all offsets in float32 px of the input image."""
        return [self._output(place, feature) for place, feature in enumerate(features)]

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments that heads like these are built with."""
        return {"offset_unit": self._offset_unit, "refinement": self._refines}

    def _output(self, place: int, features: torch.Tensor) -> PoseMaps:
        offsets = self.offset[place](features).float() * self._offset_unit
        refinements = self.refinement[place](features).float() * self._strides[place] if self._refines else None
        return PoseMaps(self.heatmap[place](features), offsets, refinements)
