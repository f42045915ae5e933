"""Necks: layers that convert the features of a trunk to those of the heads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import nn

from gog_pose.errors import InputError
from gog_pose.methods.method import FeatureMap
from gog_pose.system.options import Channels, check_arguments


class Neck(Protocol):
    """An ``nn.Module`` between trunk and heads, built from the features of the trunk.

    Attributes:
        feature_maps: Its output feature maps, one per supervised output.
    """

    feature_maps: Sequence[FeatureMap]

    def __call__(self, features: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Map the features of a trunk to those of the heads."""

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments that determine its shape, as plain values for checkpoints."""


class FeaturePyramid(nn.Module):
    """Neck that merges feature maps of several strides into one (Lin et al., Feature Pyramid Networks, 2017).

    Each map is projected to the same number of channels. From the coarsest on, each map is upsampled and added to the
    next finer one; a 3x3 convolution follows on the finest. The output has the finest stride.

    Args:
        features: Feature maps of the trunk, the finest first; each stride is a multiple of the previous one.
        channels: Channels of the pyramid.
        keep: Whether the output begins with the unchanged finest map, for heads that were trained on it.
    """

    def __init__(self, features: Sequence[FeatureMap], *, channels: Channels = 128, keep: bool = False) -> None:
        super().__init__()
        self._channels = channels
        self._keep = keep
        kept = features[0].channels if keep else 0
        self.feature_maps: Sequence[FeatureMap] = (FeatureMap(kept + channels, features[0].stride),)
        self.laterals = nn.ModuleList(nn.Conv2d(feature.channels, channels, 1) for feature in features)
        self.smooth = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
        )

    def forward(self, features: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Map ``(B, C_i, H / s_i, W / s_i)`` features to one ``(B, C, H / s_0, W / s_0)``."""
        levels = [lateral(feature) for lateral, feature in zip(self.laterals, features, strict=True)]
        merged = levels[-1]
        for level in levels[-2::-1]:
            merged = level + F.interpolate(merged, level.shape[-2:], mode="bilinear", align_corners=False)
        merged = self.smooth(merged)
        return [torch.cat([features[0], merged], dim=1) if self._keep else merged]

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments that determine its shape."""
        return {"channels": self._channels, "keep": self._keep}


NECKS: dict[str, Any] = {"feature_pyramid": FeaturePyramid}


def build_neck(features: Sequence[FeatureMap], name: str, **options: Any) -> Neck:
    """Build a neck by its name for the features of a trunk.

    Raises:
        InputError: There is no such neck, or an option is unknown or out of its range.
    """
    if name not in NECKS:
        raise InputError(f"model.neck: {name!r} is unknown; choose {', '.join(NECKS)}")
    check_arguments(NECKS[name], options, "model.neck")
    neck: Neck = NECKS[name](features, **options)
    return neck


def describe_neck(neck: Neck) -> dict[str, Any]:
    """Return plain values: ``name`` and the options that ``build_neck`` takes."""
    return {"name": next(name for name, kind in NECKS.items() if type(neck) is kind), **neck.options()}
