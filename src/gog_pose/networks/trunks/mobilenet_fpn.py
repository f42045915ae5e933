"""MobileNetV2 with a feature pyramid: the small trunk of stride 4 of MoveNet MultiPose.

Source: "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (Sandler et al., 2018), 1.5 times as wide. The inputs
of the pyramid are features of strides 32, 16, 8 and 4. In the public weights, batch normalization is folded into the
convolutions; ``norm`` selects the form of a trunk. A convolution has the same name in both forms.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from gog_pose.methods.method import FeatureMap

_STEM = 48  # channels
_BLOCKS = (  # output channels and stride of the inverted residual blocks
    *((24, 1), (40, 2), (40, 1), (48, 2), (48, 1), (48, 1), (96, 2), (96, 1), (96, 1), (96, 1), (144, 1), (144, 1)),
    *((144, 1), (240, 2), (240, 1), (240, 1), (480, 1)),
)
_EXPANSION = 6  # of all blocks except the first
_LAST = 1280  # channels at stride 32
_TAPS = (2, 5, 9)  # blocks whose features, of strides 4, 8 and 16, are inputs of the pyramid
_PYRAMID = (24, 32, 64, 64)  # channels of its levels, the finest first
_MAX_STRIDE = 32


class MobileNetFPN(nn.Module):
    """Trunk with a feature map of 24 channels at stride 4; 4,698,920 parameters if norms are folded.

    Args:
        norm: Whether batch normalization follows the convolutions, which training from scratch requires; otherwise the
            convolutions have biases.
        taps: Whether to output the inputs of the pyramid, too, for a neck. They have more information for new heads
            than the 24 channels.
    """

    float_parts = ("laterals", "smooth")  # the pyramid subtracts sums of up to 5000 to get features below 3

    def __init__(self, *, norm: bool = True, taps: bool = False) -> None:
        super().__init__()
        self._taps = taps
        features = zip((_PYRAMID[0], *(_BLOCKS[place][0] for place in _TAPS), _LAST), (4, 4, 8, 16, 32), strict=True)
        self.feature_maps = tuple(FeatureMap(*one) for one in features)[: None if taps else 1]
        self.max_stride: int = _MAX_STRIDE
        self._norm = norm
        self.stem = _Conv(3, _STEM, 3, stride=2, norm=norm)
        widths = (_STEM, *(channels for channels, _ in _BLOCKS))
        self.blocks = nn.ModuleList(
            InvertedResidual(before, after, stride=stride, expansion=_EXPANSION if place else 1, norm=norm)
            for place, (before, (after, stride)) in enumerate(zip(widths, _BLOCKS, strict=False))
        )
        self.last = _Conv(widths[-1], _LAST, 1, norm=norm)
        taken = (*(_BLOCKS[place][0] for place in _TAPS), _LAST)
        self.laterals = nn.ModuleList(
            nn.Conv2d(before, after, 1) for before, after in zip(taken, _PYRAMID, strict=True)
        )
        smoothed = (_PYRAMID[0], *_PYRAMID[:-2])  # channels after smoothing are those of the next finer level
        self.smooth = nn.ModuleList(
            _smoothing(before, after, norm=norm) for before, after in zip(_PYRAMID[:-1], smoothed, strict=True)
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Map ``(B, 3, H, W)`` images, sides multiples of 32, to ``(B, 24, H / 4, W / 4)`` features and the taps."""
        x = self.stem(x)
        taken = []
        for place, block in enumerate(self.blocks):
            x = block(x)
            if place in _TAPS:
                taken.append(x)
        last = self.last(x)
        merged = self.laterals[-1](last)
        for level in reversed(range(len(taken))):
            larger = nn.functional.interpolate(merged, scale_factor=2, mode="bilinear", align_corners=False)
            merged = self.smooth[level](larger + self.laterals[level](taken[level]))
        return [merged, *taken, last] if self._taps else [merged]

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments that determine its shape."""
        return {"norm": self._norm, "taps": self._taps}


class InvertedResidual(nn.Module):
    """Expansion, depthwise filter and projection, with a skip connection if the shape does not change.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        stride: Stride of the filter.
        expansion: Inner channels per input channel; 1 = no expansion.
        norm: As for the trunk.
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int, expansion: int, norm: bool) -> None:
        super().__init__()
        inside = expansion * in_channels
        self.expand = _Conv(in_channels, inside, 1, norm=norm) if expansion > 1 else nn.Identity()
        self.filter = _Conv(inside, inside, 3, stride=stride, groups=inside, norm=norm)
        self.project = _Conv(inside, out_channels, 1, norm=norm, activation=nn.Identity())
        self._skips = stride == 1 and in_channels == out_channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(B, C, H, W)`` to ``(B, C', H / stride, W / stride)``."""
        projected: torch.Tensor = self.project(self.filter(self.expand(x)))
        return x + projected if self._skips else projected


class _Conv(nn.Sequential):
    """Convolution, norm and activation, by default ReLU6.

    The padding is TensorFlow's SAME: at stride 2 and even sizes, only the right and the bottom are padded.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        *,
        norm: bool,
        stride: int = 1,
        groups: int = 1,
        activation: nn.Module | None = None,
    ) -> None:
        super().__init__(
            nn.ZeroPad2d((0, 1, 0, 1)) if stride == 2 else nn.Identity(),
            nn.Conv2d(
                in_channels,
                out_channels,
                kernel,
                stride,
                padding=kernel // 2 if stride == 1 else 0,
                groups=groups,
                bias=not norm,
            ),
            nn.BatchNorm2d(out_channels) if norm else nn.Identity(),
            activation or nn.ReLU6(inplace=True),
        )


def _smoothing(in_channels: int, out_channels: int, *, norm: bool) -> nn.Sequential:
    """Return a depthwise 3x3 filter followed by a 1x1 convolution with ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, in_channels, 3, padding=1, groups=in_channels, bias=False),
        _Conv(in_channels, out_channels, 1, norm=norm, activation=nn.ReLU(inplace=True)),
    )


TRUNK = MobileNetFPN
