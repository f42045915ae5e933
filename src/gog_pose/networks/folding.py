"""Batch normalization at evaluation is a factor and a shift a channel: the convolution before it can do both."""

from __future__ import annotations

from collections import Counter
from typing import TypeVar, cast

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Network = TypeVar("Network", bound=nn.Module)


def fold_norms(network: Network) -> Network:
    """Fold each batch normalization that follows a convolution into it, in place. The outputs differ by rounding.

    Which one follows which is seen in a run on a small image.

    Args:
        network: A pose network or a trunk, in evaluation mode, on the CPU or a GPU. Nothing but a normalization takes
            what the convolution before it gives.

    Returns:
        The network itself. It cannot be trained any more, and its weights have other names.
    """
    names = {module: name for name, module in network.named_modules()}
    for conv, norm in _pairs(network):
        network.set_submodule(names[conv], fuse_conv_bn_eval(conv, norm))
        network.set_submodule(names[norm], nn.Identity())
    return network


@torch.inference_mode(False)  # whose tensors do not count how often they were overwritten
@torch.no_grad()
def _pairs(network: nn.Module) -> list[tuple[nn.Conv2d, nn.BatchNorm2d]]:
    """Return the convolutions whose output, unchanged, is the input of a normalization, each used once, and those."""
    given: dict[int, tuple[nn.Conv2d, torch.Tensor, int]] = {}  # holds the tensors, or their ids would be given again
    pairs: list[tuple[nn.Conv2d, nn.BatchNorm2d]] = []
    calls: Counter[nn.Module] = Counter()

    def after_convolution(module: nn.Module, _: object, output: torch.Tensor) -> None:
        calls[module] += 1
        given[id(output)] = (cast(nn.Conv2d, module), output, output._version)

    def before_normalization(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        calls[module] += 1
        conv, _, version = given.get(id(inputs[0]), (None, None, 0))
        if conv is not None and version == inputs[0]._version:  # otherwise an activation in between overwrote it
            pairs.append((conv, cast(nn.BatchNorm2d, module)))

    # Classes that derive from these do more.
    hooks = [
        module.register_forward_hook(after_convolution)
        if type(module) is nn.Conv2d
        else module.register_forward_pre_hook(before_normalization)
        for module in network.modules()
        if type(module) in (nn.Conv2d, nn.BatchNorm2d)
    ]
    side = cast(int, network.max_stride)
    weight = next(network.parameters())
    try:
        network(torch.zeros(1, 3, side, side, dtype=weight.dtype, device=weight.device))
    finally:
        for hook in hooks:
            hook.remove()
    return [(conv, norm) for conv, norm in pairs if calls[conv] == calls[norm] == 1]
