"""HRNet: branches at strides 4, 8, 16 and 32 run beside each other and exchange their features again and again.

Source: Sun, Xiao, Liu, Wang, "Deep High-Resolution Representation Learning for Human Pose Estimation" (CVPR 2019), in
the form that Associative Embedding and HigherHRNet are trained on (Cheng et al., CVPR 2020): only the features at
stride 4 go out. A second output at stride 2, as HigherHRNet has, is computed from them by its heads.
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

_STRIDE = 4  # px per cell: of the first branch


class Fusion(nn.Module):
    """All branches of an exchange, added up in the shape of one of them.

    Args:
        channels: Channels of the branches, the finest first; each has half the side of the one before.
        target: Number of the branch to add them up for.
    """

    def __init__(self, channels: Sequence[int], target: int) -> None:
        super().__init__()
        self.paths = nn.ModuleList(_path(channels, source, target) for source in range(len(channels)))

    def forward(self, *branches: torch.Tensor) -> torch.Tensor:
        """Map one ``(B, C, H, W)`` per branch to one in the shape of the target."""
        together = self.paths[0](branches[0])
        for path, branch in zip(self.paths[1:], branches[1:], strict=True):
            together = together + path(branch)
        return torch.relu(together)


def _path(channels: Sequence[int], source: int, target: int) -> nn.Module:
    """Return what brings the features of one branch into the shape of another."""
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
        blocks: Residual blocks of each.
        outputs: How many branches go on, the finest first.
        recompute: Keep only what enters the blocks and the fusions, and compute their inside again for the gradients.
    """

    def __init__(self, channels: Sequence[int], blocks: int, outputs: int, *, recompute: bool = False) -> None:
        super().__init__()
        self.recompute = recompute
        self.branches = nn.ModuleList(nn.Sequential(*(Residual(c, c) for _ in range(blocks))) for c in channels)
        self.fusions = nn.ModuleList(Fusion(channels, target) for target in range(outputs))

    def forward(self, features: list[torch.Tensor]) -> list[torch.Tensor]:
        """Map one ``(B, C, H, W)`` per branch to as many of the same shapes as go on."""
        refined = [run(branch, x, recompute=self.recompute) for branch, x in zip(self.branches, features, strict=True)]
        return [run(fusion, *refined, recompute=self.recompute) for fusion in self.fusions]


class Stage(nn.Module):
    """One more branch than before, at half the side of the coarsest, and a sequence of exchanges among all.

    Args:
        given: Channels of the branches that come in, the finest first.
        channels: Channels of the branches from here on.
        blocks: Residual blocks per branch and exchange.
        exchanges: How many exchanges.
        outputs: How many branches go on.
        recompute: As of the exchanges.
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
        """Map one ``(B, C, H, W)`` per branch to one per branch that continues."""
        before = [*features, features[-1]]
        features = [run(enter, x, recompute=self.recompute) for enter, x in zip(self.enter, before, strict=True)]
        for exchange in self.exchanges:
            features = exchange(features)
        return features


class HRNet(nn.Module):
    """Stem of stride 4 and stages of two, three and four branches; the finest is the feature map.

    Args:
        width: Channels of the branch at stride 4; each further branch has twice as many.
        exchanges: Exchanges of the stages; stage by stage there is one more branch.
        blocks: Residual blocks per branch and exchange, and bottlenecks before the first stage.
        stem_channels: Channels of the first convolutions; the bottlenecks give four times as many.
        recompute: Keep only what goes from one sequence of blocks to the next, and compute the inside of each again for
            the gradients. The features are the same.

    The defaults are HRNet-W32 with 28,535,552 parameters; ``width=48`` is HRNet-W48. The published weights begin with
    N(0, 0.001) and then those of ImageNet; here the convolutions begin as those of the other trunks, by He's rule.
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
                " the stem do not make a network: all must be positive, and at least one stage"
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
        """Map images ``(B, 3, H, W)``, sides multiples of ``max_stride``, to one ``(B, width, H/4, W/4)``."""
        x = run(self.stem, x, recompute=self.recompute)
        features = [run(self.bottlenecks, x, recompute=self.recompute)]
        for stage in self.stages:
            features = stage(features)
        return features

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments that decide its shape; how it is trained is not among them."""
        return dict(self._options)


TRUNK = HRNet
