"""HRNet: parallel branches at strides 4, 8, 16 and 32 that exchange their features repeatedly.

Source: Sun, Xiao, Liu, Wang, "Deep High-Resolution Representation Learning for Human Pose Estimation" (CVPR 2019), in
the form that Associative Embedding and HigherHRNet use (Cheng et al., CVPR 2020): only the features at stride 4 are
output. HigherHRNet's second output at stride 2 is computed from these by its heads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import torch
from torch import nn

from gog_pose.methods.method import FeatureMap
from gog_pose.networks.blocks import Bottleneck, ConvNorm, Residual
from gog_pose.networks.recompute import run
from gog_pose.system.options import Channels, Range

_STRIDE = 4  # px per cell of the first branch


class Fusion(nn.Module):
    """Sum of all branches of an exchange in the shape of one of them.

    Args:
        channels: Channels of the branches, the finest first; each has half the side of the previous one.
        target: Index of the branch whose shape the sum has.
    """

    def __init__(self, channels: Sequence[int], target: int) -> None:
        super().__init__()
        self.paths = nn.ModuleList(_path(channels, source, target) for source in range(len(channels)))

    def forward(self, *branches: torch.Tensor) -> torch.Tensor:
        """Map one ``(B, C, H, W)`` tensor per branch to one in the shape of the target."""
        together = self.paths[0](branches[0])
        for path, branch in zip(self.paths[1:], branches[1:], strict=True):
            together = together + path(branch)
        return torch.relu(together)


def _path(channels: Sequence[int], source: int, target: int) -> nn.Module:
    """Return the layers that convert the features of one branch to the shape of another."""
    there, here = channels[source], channels[target]
    if source == target:
        return nn.Identity()
    if source > target:
        upsample = nn.Upsample(scale_factor=2 ** (source - target), mode="nearest")
        return nn.Sequential(ConvNorm(there, here, kernel=1, activation=None), upsample)
    halvings = [ConvNorm(there, there, stride=2) for _ in range(target - source - 1)]
    return nn.Sequential(*halvings, ConvNorm(there, here, stride=2, activation=None))


class Exchange(nn.Module):
    """Residual blocks on each branch, then a fusion for each branch that continues.

    Args:
        channels: Channels of the branches, the finest first.
        blocks: Residual blocks per branch.
        outputs: Number of branches that continue, the finest first.
        recompute: Keep only the inputs of the blocks and fusions, and recompute their activations for the gradients.
    """

    def __init__(self, channels: Sequence[int], blocks: int, outputs: int, *, recompute: bool = False) -> None:
        super().__init__()
        self.recompute = recompute
        self.branches = nn.ModuleList(nn.Sequential(*(Residual(c, c) for _ in range(blocks))) for c in channels)
        self.fusions = nn.ModuleList(Fusion(channels, target) for target in range(outputs))

    def forward(self, features: list[torch.Tensor]) -> list[torch.Tensor]:
        """Map one ``(B, C, H, W)`` tensor per branch to one of the same shape per branch that continues."""
        refined = [run(branch, x, recompute=self.recompute) for branch, x in zip(self.branches, features, strict=True)]
        return [run(fusion, *refined, recompute=self.recompute) for fusion in self.fusions]


class Stage(nn.Module):
    """Additional branch at half the side of the coarsest, and a sequence of exchanges among all branches.

    Args:
        given: Channels of the input branches, the finest first.
        channels: Channels of the branches in this stage.
        blocks: Residual blocks per branch and exchange.
        exchanges: Number of exchanges.
        outputs: Number of branches that continue.
        recompute: As for ``Exchange``.
    """

    def __init__(
        self,
        given: Sequence[int],
        channels: Sequence[int],
        blocks: int,
        exchanges: int,
        outputs: int,
        *,
        recompute: bool = False,
    ) -> None:
        super().__init__()
        self.recompute = recompute
        self.enter = nn.ModuleList(
            nn.Identity() if before == after else ConvNorm(before, after)
            for before, after in zip(given, channels, strict=False)
        )
        self.enter.append(ConvNorm(given[-1], channels[-1], stride=2))
        goes_on = [len(channels)] * (exchanges - 1) + [outputs]
        self.exchanges = nn.ModuleList(Exchange(channels, blocks, count, recompute=recompute) for count in goes_on)

    def forward(self, features: list[torch.Tensor]) -> list[torch.Tensor]:
        """Map one ``(B, C, H, W)`` tensor per branch to one per branch that continues."""
        before = [*features, features[-1]]
        features = [run(enter, x, recompute=self.recompute) for enter, x in zip(self.enter, before, strict=True)]
        for exchange in self.exchanges:
            features = exchange(features)
        return features


class HRNet(nn.Module):
    """Stem of stride 4 and stages of two, three and four branches; the finest branch is the feature map.

    Args:
        width: Channels of the branch at stride 4; each further branch has twice as many.
        exchanges: Number of exchanges of each stage; each stage adds one branch.
        blocks: Residual blocks per branch and exchange, and bottlenecks before the first stage.
        stem_channels: Channels of the first convolutions; the bottlenecks output four times as many.
        recompute: Keep only the inputs of each sequence of blocks, and recompute its activations for the gradients.
            The features are the same.

    The defaults are HRNet-W32 with 28,535,552 parameters; ``width=48`` is HRNet-W48. The authors initialize with
    N(0, 0.001) and then with ImageNet weights; here the convolutions are initialized by He's rule, as in the other
    trunks.
    """

    def __init__(
        self,
        *,
        width: Channels = 32,
        exchanges: Sequence[Annotated[int, Range(1, 64)]] = (1, 4, 3),
        blocks: Annotated[int, Range(1, 64)] = 4,
        stem_channels: Channels = 64,
        recompute: bool = False,
    ) -> None:
        super().__init__()
        if min(width, blocks, stem_channels, len(exchanges), *exchanges) < 1:
            raise ValueError(
                f"hrnet: width {width}, exchanges {list(exchanges)}, {blocks} blocks and {stem_channels} channels of"
                " the stem are not a network; give positive numbers and at least one stage"
            )
        self._options = {
            "width": width,
            "exchanges": list(exchanges),
            "blocks": blocks,
            "stem_channels": stem_channels,
        }
        self.recompute = recompute
        self.feature_maps = (FeatureMap(width, _STRIDE),)
        self.max_stride: int = _STRIDE * 2 ** len(exchanges)
        wide = 4 * stem_channels
        self.stem = nn.Sequential(
            ConvNorm(3, stem_channels, stride=2), ConvNorm(stem_channels, stem_channels, stride=2)
        )
        self.bottlenecks = nn.Sequential(
            *(Bottleneck(wide if block else stem_channels, wide, stem_channels) for block in range(blocks))
        )
        self.stages = nn.ModuleList()
        given = [wide]
        for number, count in enumerate(exchanges, start=1):
            channels = [width * 2**branch for branch in range(number + 1)]
            outputs = 1 if number == len(exchanges) else len(channels)
            self.stages.append(Stage(given, channels, blocks, count, outputs, recompute=recompute))
            given = channels
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Map ``(B, 3, H, W)`` images, sides multiples of ``max_stride``, to one ``(B, width, H/4, W/4)`` tensor."""
        x = run(self.stem, x, recompute=self.recompute)
        features = [run(self.bottlenecks, x, recompute=self.recompute)]
        for stage in self.stages:
            features = stage(features)
        return features

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments that determine its shape, without those that affect only training."""
        return dict(self._options)


TRUNK = HRNet
