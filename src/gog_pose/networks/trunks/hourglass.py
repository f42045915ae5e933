"""Stacked hourglass trunk; the paper's configuration is Hourglass-104 (Sec. 2.5, references [4], [5], [16])."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import torch
from torch import nn

from gog_pose.methods.method import FeatureMap
from gog_pose.networks.blocks import ConvNorm, Residual
from gog_pose.networks.recompute import run
from gog_pose.system.options import Channels, Range

_STRIDE = 4  # px per cell after the stem


class HourglassModule(nn.Module):
    """One level of an hourglass: a branch at full size and a branch at half size that contains the next level.

    Args:
        channels: Channels of this level and of all inner levels; the last entry is the innermost.
        blocks: Residual blocks of each level, in the same order.
        recompute: Keep only the inputs of each sequence of blocks, and recompute its activations for the gradients.
    """

    def __init__(self, channels: Sequence[int], blocks: Sequence[int], *, recompute: bool = False) -> None:
        super().__init__()
        self.recompute = recompute
        outer, inner = channels[0], channels[1]
        repeats = blocks[0]
        self.full = nn.Sequential(*(Residual(outer, outer) for _ in range(repeats)))
        self.down = nn.Sequential(
            Residual(outer, inner, stride=2), *(Residual(inner, inner) for _ in range(repeats - 1))
        )
        self.middle: nn.Module
        if len(channels) > 2:
            self.middle = HourglassModule(channels[1:], blocks[1:], recompute=recompute)
        else:
            self.middle = nn.Sequential(*(Residual(inner, inner) for _ in range(blocks[1])))
        self.up = nn.Sequential(
            *(Residual(inner, inner) for _ in range(repeats - 1)),
            Residual(inner, outer),
            nn.Upsample(scale_factor=2, mode="nearest"),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(B, C, H, W)`` to the same shape."""
        full = run(self.full, x, recompute=self.recompute)
        inner = self.middle(run(self.down, x, recompute=self.recompute))  # the innermost level is small
        return full + run(self.up, inner, recompute=self.recompute)


class Hourglass(nn.Module):
    """Stem of stride 4 and consecutive hourglasses; each stack outputs one feature map.

    Args:
        stacks: Number of hourglasses.
        channels: Channels of the levels of an hourglass, the outermost first.
        blocks: Residual blocks of the levels.
        stem_channels: Channels of the first convolution.
        recompute: Keep only the inputs of each sequence of blocks, and recompute its activations for the gradients.
            Activations take a fraction of the memory and a training step takes a third longer; the features are the
            same.

    The defaults are Hourglass-104 with 187,700,352 parameters.
    """

    def __init__(
        self,
        *,
        stacks: Annotated[int, Range(1, 64)] = 2,
        channels: Sequence[Channels] = (256, 256, 384, 384, 384, 512),
        blocks: Sequence[Annotated[int, Range(0, 64)]] = (2, 2, 2, 2, 2, 4),
        stem_channels: Channels = 128,
        recompute: bool = False,
    ) -> None:
        super().__init__()
        if stacks < 1 or len(channels) < 2 or len(channels) != len(blocks):
            raise ValueError(
                f"hourglass: {stacks} stacks, {len(channels)} channels and {len(blocks)} blocks do not fit together;"
                " give at least one stack, at least two channels, and as many blocks as channels"
            )
        self._options = {
            "stacks": stacks,
            "channels": list(channels),
            "blocks": list(blocks),
            "stem_channels": stem_channels,
        }
        width = channels[0]
        self.feature_maps = tuple(FeatureMap(width, _STRIDE) for _ in range(stacks))
        self.max_stride: int = _STRIDE * 2 ** (len(channels) - 1)
        self.stem = nn.Sequential(
            ConvNorm(3, stem_channels, kernel=7, stride=2), Residual(stem_channels, width, stride=2)
        )
        self.hourglasses = nn.ModuleList(HourglassModule(channels, blocks, recompute=recompute) for _ in range(stacks))
        self.features = nn.ModuleList(ConvNorm(width, width) for _ in range(stacks))
        # Between stacks, projections of a stack's input and output are added and refined.
        between = range(stacks - 1)
        self.merge_input = nn.ModuleList(ConvNorm(width, width, kernel=1, activation=None) for _ in between)
        self.merge_features = nn.ModuleList(ConvNorm(width, width, kernel=1, activation=None) for _ in between)
        self.refine = nn.ModuleList(Residual(width, width) for _ in between)
        self.recompute = recompute
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Map ``(B, 3, H, W)`` images, sides multiples of ``max_stride``, to one ``(B, C, H/4, W/4)`` per stack."""
        x = run(self.stem, x, recompute=self.recompute)
        features = []
        for stack, hourglass in enumerate(self.hourglasses):
            features.append(run(self.features[stack], hourglass(x), recompute=self.recompute))
            if stack < len(self.refine):
                merged = run(self.merge_input[stack], x, recompute=self.recompute)
                merged = merged + run(self.merge_features[stack], features[-1], recompute=self.recompute)
                x = run(self.refine[stack], torch.relu(merged), recompute=self.recompute)
        return features

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments that determine its shape, without those that affect only training."""
        return dict(self._options)


TRUNK = Hourglass
