"""Identity Mapping Hourglass: stacked hourglasses that pass their features to the next one at every scale.

Source: Li, Su, Wang, "Simple Pose: Rethinking and Improving a Bottom-up Approach for Multi-Person Pose Estimation"
(AAAI 2020); the form with four stacks, for which the authors published weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any

import torch
from torch import nn

from gog_pose.methods.method import FeatureMap
from gog_pose.networks.blocks import Bottleneck, ConvNorm
from gog_pose.networks.recompute import run
from gog_pose.system.options import Channels, Count, Range

_STRIDE = 4  # px per cell after the stem
_SLOPE = 0.01  # of the leaky ReLU below 0
_DILATIONS = (3, 3, 4, 4, 5, 5)
_SQUEEZE = 16  # reduction of channels in squeeze and excitation


def _leaky() -> nn.Module:
    return nn.LeakyReLU(_SLOPE, inplace=True)


def _residual(in_channels: int, out_channels: int) -> Bottleneck:
    return Bottleneck(in_channels, out_channels, out_channels // 2, activation=_leaky)


class Stem(nn.Module):
    """Stem of stride 4; half of its output channels come from dilated convolutions with a large receptive field.

    Args:
        width: Channels of the output, a multiple of 4.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        half = width // 2
        self.near = nn.Sequential(
            ConvNorm(3, width // 4, kernel=7, stride=2, activation=_leaky),
            _residual(width // 4, half),
            nn.MaxPool2d(2),
            _residual(half, half),
        )
        self.far = nn.Sequential(*(ConvNorm(half, half, dilation=d, activation=_leaky) for d in _DILATIONS))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(B, 3, H, W)`` to ``(B, width, H/4, W/4)``."""
        near = self.near(x)
        return torch.cat((near, self.far(near)), dim=1)


class ChannelWeights(nn.Module):
    """Squeeze and excitation: each channel times a weight in [0, 1] that depends on the means of all channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        middle = max(1, channels // _SQUEEZE)
        self.weigh = nn.Sequential(nn.Linear(channels, middle), _leaky(), nn.Linear(middle, channels), nn.Sigmoid())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(B, C, H, W)`` to the same shape."""
        weights: torch.Tensor = self.weigh(x.mean(dim=(2, 3)))
        return x * weights[:, :, None, None]


class MultiScaleHourglass(nn.Module):
    """An hourglass that outputs the features of all its levels.

    Args:
        channels: Channels of the levels, the finest first; each has half the side of the previous one.
        recompute: Keep only the inputs of each sequence of blocks, and recompute its activations for the gradients.
    """

    def __init__(self, channels: Sequence[int], *, recompute: bool = False) -> None:
        super().__init__()
        self.recompute = recompute
        self.skips = nn.ModuleList(_residual(fine, fine) for fine in channels[:-1])
        self.downs = nn.ModuleList(
            nn.Sequential(nn.MaxPool2d(2), _residual(fine, coarse)) for fine, coarse in pairwise(channels)
        )
        self.middle = _residual(channels[-1], channels[-1])
        self.ups = nn.ModuleList(
            nn.Sequential(
                _residual(coarse, fine),
                nn.Upsample(scale_factor=2, mode="nearest"),
                ConvNorm(fine, fine, activation=_leaky),
            )
            for fine, coarse in pairwise(channels)
        )

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Map ``(B, C, H, W)`` to one feature map per level, the finest first, which has the shape of ``x``."""
        skips = []
        for skip, down in zip(self.skips, self.downs, strict=True):
            skips.append(run(skip, x, recompute=self.recompute))
            x = run(down, x, recompute=self.recompute)
        levels = [run(self.middle, x, recompute=self.recompute)]
        for skipped, up in zip(reversed(skips), reversed(self.ups), strict=True):
            levels.insert(0, skipped + run(up, levels[0], recompute=self.recompute))
        return levels


class Carry(nn.Module):
    """Connection from one stack to the next at one scale: the sum of its projected features and guides.

    Args:
        features: Channels of the features.
        guides: Channels of the guides, which are computed from the features.
        channels: Channels of the output.
    """

    def __init__(self, features: int, guides: int, channels: int) -> None:
        super().__init__()
        self.guides = nn.Conv2d(features, guides, 1)
        self.from_guides = ConvNorm(guides, channels, kernel=1, activation=None)
        self.from_features = ConvNorm(features, channels, kernel=1, activation=None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(B, features, H, W)`` to ``(B, channels, H, W)``."""
        carried: torch.Tensor = self.from_guides(self.guides(x)) + self.from_features(x)
        return carried


class PerLevel(nn.ModuleList):
    """One module per level, the finest first."""

    def forward(self, levels: Sequence[torch.Tensor], *, recompute: bool) -> list[torch.Tensor]:
        """Apply the module of each level to its ``(B, C, H, W)`` features."""
        return [run(part, level, recompute=recompute) for part, level in zip(self, levels, strict=True)]


class IdentityMappingHourglass(nn.Module):
    """Stem of stride 4 and consecutive hourglasses; each outputs feature maps at one or several scales.

    In the published network, the guides that one stack passes to the next are its predicted maps, 50 per scale. A trunk
    has no access to the heads, so here the guides are a separate 1x1 convolution, equivalent to heads of the same
    weights.

    Args:
        stacks: Number of hourglasses.
        scales: Number of feature maps per stack, at strides 4, 8, 16, ...
        channels: Channels of the levels of an hourglass, the finest first; the first is a multiple of 4.
        feature_channels: Channels of the feature maps.
        guide_channels: Channels of the guides.
        recompute: Keep only the inputs of each sequence of blocks, and recompute its activations for the gradients.
            The features are the same.

    Attributes:
        feature_maps: Sorted by stack, then from coarse to fine; the last is that of the last stack at stride 4.

    The default network has 95,814,934 parameters; with ``scales=5`` it has 128,934,510. The published 129.0 M are
    128,998,760: these 128,934,510 and the 64,250 of the last stack's five heads of 50 maps. The features at stride 4 do
    not depend on the coarser ones, so ``scales=1`` computes the same features at stride 4 in less time. The authors
    initialize with N(0, 0.001); here the convolutions are initialized by He's rule, as in the other trunks.
    """

    def __init__(
        self,
        *,
        stacks: Annotated[int, Range(1, 64)] = 4,
        scales: Count = 1,
        channels: Sequence[Channels] = (256, 384, 512, 640, 768),
        feature_channels: Channels = 256,
        guide_channels: Channels = 50,
        recompute: bool = False,
    ) -> None:
        super().__init__()
        if stacks < 1 or len(channels) < 2 or channels[0] % 4 or not 1 <= scales <= len(channels):
            raise ValueError(
                f"identity_mapping_hourglass: {stacks} stacks, channels {list(channels)} and {scales} scales do not fit"
                " together; give at least one stack, at least two channels, the first a multiple of 4, and at most as"
                " many scales as channels"
            )
        self._options = {
            "stacks": stacks,
            "scales": scales,
            "channels": list(channels),
            "feature_channels": feature_channels,
            "guide_channels": guide_channels,
        }
        self.scales = scales
        self.recompute = recompute
        given = tuple(FeatureMap(feature_channels, _STRIDE * 2**level) for level in reversed(range(scales)))
        self.feature_maps = given * stacks
        self.max_stride: int = _STRIDE * 2 ** (len(channels) - 1)
        self.stem = Stem(channels[0])
        self.hourglasses = nn.ModuleList(MultiScaleHourglass(channels, recompute=recompute) for _ in range(stacks))
        # A connection at one scale affects only features of that scale, so scales without output are not computed.
        widths = channels[:scales]
        self.features = nn.ModuleList(
            PerLevel(
                nn.Sequential(
                    ConvNorm(width, feature_channels, activation=_leaky),
                    ConvNorm(feature_channels, feature_channels, activation=_leaky),
                    ChannelWeights(feature_channels),
                )
                for width in widths
            )
            for _ in range(stacks)
        )
        self.carries = nn.ModuleList(
            PerLevel(Carry(feature_channels, guide_channels, width) for width in widths) for _ in range(stacks - 1)
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, a=_SLOPE, mode="fan_out", nonlinearity="leaky_relu")
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.01)
            if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Map ``(B, 3, H, W)`` images, sides multiples of ``max_stride``, to ``(B, C, H/s, W/s)`` feature maps."""
        x = run(self.stem, x, recompute=self.recompute)
        outputs: list[torch.Tensor] = []
        carried: list[torch.Tensor] = []
        for stack, hourglass in enumerate(self.hourglasses):
            levels = hourglass(x)[: self.scales]
            if carried:
                levels = [level + before for level, before in zip(levels, carried, strict=True)]
            features = self.features[stack](levels, recompute=self.recompute)
            outputs += reversed(features)
            if stack < len(self.carries):
                carried = self.carries[stack](features, recompute=self.recompute)
                x = x + carried[0]
        return outputs

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments that determine its shape, without those that affect only training."""
        return dict(self._options)


TRUNK = IdentityMappingHourglass
