"""Stacked hourglass trunk; its paper configuration is Hourglass-104 (Sec. 2.5, references [4], [5], [16])."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


class ConvNorm(nn.Sequential):
    """Convolution without bias, batch normalisation and, unless told otherwise, ReLU.

    Args:
        in_channels: Channels that come in.
        out_channels: Channels that go out.
        kernel: Side of the kernel, odd; the padding keeps the size at stride 1.
        stride: Stride of the convolution.
        activation: Whether a ReLU follows.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, kernel: int = 3, stride: int = 1, activation: bool = True
    ) -> None:
        layers: list[nn.Module] = [
            nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(out_channels),
        ]
        if activation:
            layers.append(nn.ReLU(inplace=True))
        super().__init__(*layers)


class Residual(nn.Module):
    """Two 3x3 convolutions beside a skip connection, which is a 1x1 projection where the shape changes."""

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            ConvNorm(in_channels, out_channels, stride=stride),
            ConvNorm(out_channels, out_channels, activation=False),
        )
        self.skip: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.skip = ConvNorm(in_channels, out_channels, kernel=1, stride=stride, activation=False)
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(B, C, H, W)`` to ``(B, C', H / stride, W / stride)``."""
        activated: torch.Tensor = self.activation(self.body(x) + self.skip(x))
        return activated


def _answer(unit: nn.Module, x: torch.Tensor, recompute: bool) -> torch.Tensor:
    """Return ``unit(x)``; to ``recompute`` means to keep ``x`` only and run the unit once more for the gradients."""
    if not (recompute and unit.training and torch.is_grad_enabled()):
        answer: torch.Tensor = unit(x)
        return answer
    answer = checkpoint(
        unit,
        x,
        use_reentrant=False,
        preserve_rng_state=False,  # nothing random is in a unit
        context_fn=lambda: (nullcontext(), _statistics_kept(unit)),
    )
    return answer


@contextmanager
def _statistics_kept(module: nn.Module) -> Iterator[None]:
    """Leave the running statistics as they are: a batch that is computed a second time counts once."""
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm)]
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, (momentum, num_batches) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, num_batches


class HourglassModule(nn.Module):
    """One level of an hourglass: a branch at full size beside a branch at half size that holds the next level.

    Args:
        channels: Channels of this level and of all below; the last entry is the innermost.
        blocks: Residual blocks of each, likewise.
        recompute: Keep only what enters each sequence of blocks, and compute its inside again for the gradients.
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
        full = _answer(self.full, x, self.recompute)
        inner = self.middle(_answer(self.down, x, self.recompute))  # the innermost is too small to be worth it
        return full + _answer(self.up, inner, self.recompute)


class Hourglass(nn.Module):
    """Stem of stride 4 and a stack of hourglasses; each stack answers with features for its heads.

    Args:
        stacks: Number of hourglasses.
        channels: Channels of the levels of an hourglass, the outermost first.
        blocks: Residual blocks of the levels.
        stem_channels: Channels of the first convolution.
        recompute: Keep only what goes from one sequence of blocks to the next, and compute the inside of each again for
            the gradients: activations take a fraction of the memory, a training step a third more time. The answers
            are the same.

    The defaults are Hourglass-104 with 187,700,352 parameters.
    """

    stride = 4

    def __init__(
        self,
        *,
        stacks: int = 2,
        channels: Sequence[int] = (256, 256, 384, 384, 384, 512),
        blocks: Sequence[int] = (2, 2, 2, 2, 2, 4),
        stem_channels: int = 128,
        recompute: bool = False,
    ) -> None:
        super().__init__()
        if stacks < 1 or len(channels) < 2 or len(channels) != len(blocks):
            raise ValueError(
                f"hourglass: {stacks} stacks, {len(channels)} channels and {len(blocks)} blocks do not fit together:"
                " at least one stack, and as many blocks as channels, two or more"
            )
        self._options = {
            "stacks": stacks,
            "channels": list(channels),
            "blocks": list(blocks),
            "stem_channels": stem_channels,
        }
        width = channels[0]
        self.out_channels = width
        self.max_stride: int = self.stride * 2 ** (len(channels) - 1)
        self.stem = nn.Sequential(
            ConvNorm(3, stem_channels, kernel=7, stride=2), Residual(stem_channels, width, stride=2)
        )
        self.hourglasses = nn.ModuleList(HourglassModule(channels, blocks, recompute=recompute) for _ in range(stacks))
        self.features = nn.ModuleList(ConvNorm(width, width) for _ in range(stacks))
        # Between stacks: what went in and what came out, both projected, are added and refined.
        between = range(stacks - 1)
        self.merge_input = nn.ModuleList(ConvNorm(width, width, kernel=1, activation=False) for _ in between)
        self.merge_features = nn.ModuleList(ConvNorm(width, width, kernel=1, activation=False) for _ in between)
        self.refine = nn.ModuleList(Residual(width, width) for _ in between)
        self.recompute = recompute

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Map images ``(B, 3, H, W)``, sides multiples of ``max_stride``, to one ``(B, C, H/4, W/4)`` a stack."""
        x = _answer(self.stem, x, self.recompute)
        features = []
        for stack, hourglass in enumerate(self.hourglasses):
            features.append(_answer(self.features[stack], hourglass(x), self.recompute))
            if stack < len(self.refine):
                merged = _answer(self.merge_input[stack], x, self.recompute)
                merged = merged + _answer(self.merge_features[stack], features[-1], self.recompute)
                x = _answer(self.refine[stack], torch.relu(merged), self.recompute)
        return features

    def to_dict(self) -> dict[str, object]:
        """Plain options; ``Hourglass(**trunk.to_dict())`` has the same shape. How it is trained is none of them."""
        return dict(self._options)
