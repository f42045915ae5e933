"""Features to maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from gog_pose.methods.minimal.records import MinimalMaps
from torch import nn

from gog_pose.methods.method import FeatureMap
from gog_pose.skeleton import Skeleton


class MinimalHeads(nn.Module):
    """A 1x1 convolution for the means, and one for the vectors on features of half the resolution."""

    def __init__(self, skeleton: Skeleton, features: Sequence[FeatureMap], *, unit: float = 32.0) -> None:
        super().__init__()
        self._unit = unit
        self.means = nn.ModuleList(nn.Conv2d(feature.channels, 1, 1) for feature in features)
        self.vectors = nn.ModuleList(nn.Conv2d(one.channels, 2 * skeleton.num_keypoints, 1) for one in features)

    def forward(self, features: Sequence[torch.Tensor]) -> list[MinimalMaps]:
        """Return the maps of each output."""
        return [
            MinimalMaps(means(feature).float(), vectors(F.avg_pool2d(feature, 2)).float() * self._unit)
            for means, vectors, feature in zip(self.means, self.vectors, features, strict=True)
        ]

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments that heads like these are built with."""
        return {"unit": self._unit}
