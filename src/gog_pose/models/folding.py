"""Batch normalisation at evaluation is a factor and a shift a channel: the convolution before it can do both."""

from __future__ import annotations

from itertools import pairwise
from typing import TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Network = TypeVar("Network", bound=nn.Module)


def fold_norms(network: Network) -> Network:
    """Fold each batch normalisation that follows a convolution into it, in place; the answers differ by rounding.

    Args:
        network: In evaluation mode, on the CPU or a GPU. In its sequences a normalisation takes what the convolution
            right before it gives, and nothing else does.

    Returns:
        The network itself. It cannot be trained any more, and its weights have other names.
    """
    for module in network.modules():
        if isinstance(module, nn.Sequential):
            children = list(module.named_children())
            for (name, conv), (norm_name, norm) in pairwise(children):
                if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    setattr(module, name, fuse_conv_bn_eval(conv, norm))
                    setattr(module, norm_name, nn.Identity())
    return network
