"""Building blocks of trunks: convolutions with batch normalization, residual blocks and bottlenecks."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

Activation = Callable[[], nn.Module]


def relu() -> nn.Module:
    """Return a ReLU that overwrites its input."""
    return nn.ReLU(inplace=True)


class ConvNorm(nn.Sequential):
    """Convolution without bias, batch normalization and an activation, by default ReLU.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel: Side of the kernel, odd; the padding keeps the size at stride 1.
        stride: Stride of the convolution.
        dilation: Dilation of the convolution, cells.
        activation: Constructor of the activation; None = no activation.
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
    """Two 3x3 convolutions with a skip connection, which is a 1x1 projection where the shape changes."""

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
    """Convolutions of 1x1, 3x3 and 1x1 with a skip connection, which is a 1x1 projection where the channels change.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        middle: Channels of the 3x3 convolution.
        activation: Constructor of the activations after the first two convolutions and after the sum.
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
