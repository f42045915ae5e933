"""What trunks are built of: convolutions with batch normalization, and residual blocks of two and of three."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

Activation = Callable[[], nn.Module]


def relu() -> nn.Module:
    """Return a ReLU that overwrites what it is given."""
    return nn.ReLU(inplace=True)


class ConvNorm(nn.Sequential):
    """Convolution without bias, batch normalization and, unless told otherwise, ReLU.

    Args:
        in_channels: Channels that come in.
        out_channels: Channels that go out.
        kernel: Side of the kernel, odd; the padding keeps the size at stride 1.
        stride: Stride of the convolution.
        dilation: Cells from one value of the kernel to the next.
        activation: Builds what follows; None: nothing.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel: int = 3,
        stride: int = 1,
        dilation: int = 1,
        activation: Activation | None = relu,
    ) -> None:
        padding = dilation * (kernel // 2)
        layers: list[nn.Module] = [
            nn.Conv2d(in_channels, out_channels, kernel, stride, padding, dilation, bias=False),
            nn.BatchNorm2d(out_channels),
        ]
        if activation is not None:
            layers.append(activation())
        super().__init__(*layers)


class Residual(nn.Module):
    """Two 3x3 convolutions beside a skip connection, which is a 1x1 projection where the shape changes."""

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            ConvNorm(in_channels, out_channels, stride=stride),
            ConvNorm(out_channels, out_channels, activation=None),
        )
        self.skip: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.skip = ConvNorm(in_channels, out_channels, kernel=1, stride=stride, activation=None)
        self.activation = relu()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(B, C, H, W)`` to ``(B, C', H / stride, W / stride)``."""
        activated: torch.Tensor = self.activation(self.body(x) + self.skip(x))
        return activated


class Bottleneck(nn.Module):
    """A 3x3 convolution between two of 1x1, beside a skip connection: a 1x1 projection where the channels change.

    Args:
        in_channels: Channels that come in.
        out_channels: Channels that go out.
        middle: Channels of the 3x3 convolution.
        activation: Builds what follows the first two convolutions and the sum.
    """

    def __init__(self, in_channels: int, out_channels: int, middle: int, *, activation: Activation = relu) -> None:
        super().__init__()
        self.body = nn.Sequential(
            ConvNorm(in_channels, middle, kernel=1, activation=activation),
            ConvNorm(middle, middle, activation=activation),
            ConvNorm(middle, out_channels, kernel=1, activation=None),
        )
        self.skip: nn.Module = nn.Identity()
        if in_channels != out_channels:
            self.skip = ConvNorm(in_channels, out_channels, kernel=1, activation=None)
        self.activation = activation()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(B, C, H, W)`` to ``(B, C', H, W)``."""
        activated: torch.Tensor = self.activation(self.body(x) + self.skip(x))
        return activated
