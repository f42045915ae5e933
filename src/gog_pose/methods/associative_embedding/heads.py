"""Heads: heatmaps and tags and, as HigherHRNet has them, heatmaps at half the stride."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from gog_pose.errors import InputError
from gog_pose.methods.associative_embedding.records import AssociativeMaps
from gog_pose.methods.method import FeatureMap
from gog_pose.skeleton import Skeleton

_BLOCKS = 4  # residual blocks at half the stride, HigherHRNet's


class AssociativeHeads(nn.Module):
    """A 1x1 convolution for heatmaps and one for tags, per supervised output.

    With two resolutions, features, heatmaps and tags together are upsampled by a transposed convolution and refined by
    four residual blocks; a 1x1 convolution gives the fine heatmaps (Cheng et al., "HigherHRNet", 2020, Sec. 3.2).

    Args:
        skeleton: Sets the number of maps.
        features: The feature maps that the heads are built on.
        resolutions: 1, or 2 for heatmaps at half the stride as well.

    Raises:
        InputError: There is no such number of resolutions.
    """

    def __init__(self, skeleton: Skeleton, features: Sequence[FeatureMap], *, resolutions: int = 1) -> None:
        super().__init__()
        if resolutions not in (1, 2):
            raise InputError(f"heads.resolutions: must be 1 or 2, got {resolutions}")
        self._resolutions = resolutions
        types = skeleton.num_keypoints
        self.heatmap = nn.ModuleList(nn.Conv2d(one.channels, types, 1) for one in features)
        self.tag = nn.ModuleList(nn.Conv2d(one.channels, types, 1) for one in features)
        finer = features if resolutions == 2 else ()
        self.finer = nn.ModuleList(_finer(one.channels, 2 * types) for one in finer)
        self.fine_heatmap = nn.ModuleList(nn.Conv2d(one.channels, types, 1) for one in finer)
        for head in (*self.heatmap, *self.tag, *self.fine_heatmap):
            nn.init.normal_(head.weight, std=0.001)
            nn.init.zeros_(head.bias)

    def forward(self, features: Sequence[torch.Tensor]) -> list[AssociativeMaps]:
        """Return the maps of each output."""
        return [self._output(place, feature) for place, feature in enumerate(features)]

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments that heads like these are built with."""
        return {"resolutions": self._resolutions}

    def _output(self, place: int, features: torch.Tensor) -> AssociativeMaps:
        heatmaps, tags = self.heatmap[place](features), self.tag[place](features)
        if self._resolutions == 1:
            return AssociativeMaps(heatmaps, tags)
        finer = self.finer[place](torch.cat([features, heatmaps, tags], dim=1))
        return AssociativeMaps(heatmaps, tags, self.fine_heatmap[place](finer))


class _Residual(nn.Module):
    """Two 3x3 convolutions with batch normalization beside the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*(_conv_norm(channels) for _ in range(2)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(B, C, h, w)`` to the same shape."""
        first, second = self.body
        return torch.relu(second(torch.relu(first(x))) + x)


def _conv_norm(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))


def _finer(channels: int, maps: int) -> nn.Sequential:
    """Return what makes features at half the stride of features and their maps."""
    return nn.Sequential(
        nn.ConvTranspose2d(channels + maps, channels, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
        *(_Residual(channels) for _ in range(_BLOCKS)),
    )
