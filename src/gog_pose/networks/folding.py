"""Folding of batch normalization into the preceding convolutions, for inference."""

from __future__ import annotations

from collections import Counter
from typing import TypeVar, cast

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Network = TypeVar("Network", bound=nn.Module)


def fold_norms(network: Network) -> Network:
    """Fold each batch normalization that follows a convolution into it, in place. The outputs differ by rounding.

    A run on a small image finds the pairs.

    Args:
        network: A pose network or a trunk, in evaluation mode, on the CPU or a GPU. The output of a convolution before
            a normalization must not have other uses.

    Returns:
        The same network. It can no longer be trained, and its weights have other names.
    """
    names = {module: name for name, module in network.named_modules()}
    for conv, norm in _pairs(network):
        network.set_submodule(names[conv], fuse_conv_bn_eval(conv, norm))
        network.set_submodule(names[norm], nn.Identity())
    return network


@torch.inference_mode(False)  # because tensors of inference mode have no version counter
@torch.no_grad()
def _pairs(network: nn.Module) -> list[tuple[nn.Conv2d, nn.BatchNorm2d]]:
    """Return pairs of a convolution and the normalization of its unchanged output, if both are called once."""
    given: dict[int, tuple[nn.Conv2d, torch.Tensor, int]] = {}  # keeps the tensors alive, so that ids stay unique
    pairs: list[tuple[nn.Conv2d, nn.BatchNorm2d]] = []
    calls: Counter[nn.Module] = Counter()

    def after_convolution(module: nn.Module, _: object, output: torch.Tensor) -> None:
        calls[module] += 1
        given[id(output)] = (cast(nn.Conv2d, module), output, output._version)

    def before_normalization(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        calls[module] += 1
        conv, _, version = given.get(id(inputs[0]), (None, None, 0))
        if conv is not None and version == inputs[0]._version:  # otherwise an activation overwrote it
            pairs.append((conv, cast(nn.BatchNorm2d, module)))

    # Exact types only, because subclasses compute more.
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
