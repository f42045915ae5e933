"""Size of a network: number of parameters, and multiplications per image."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def size_of(network: nn.Module, input_hw: tuple[int, int]) -> dict[str, float]:
    """Return ``parameters``, and ``gmac``, 10^9 multiplications for one image, counted in a forward pass.

    Args:
        network: Network with input ``(B, 3, H, W)``, in evaluation mode.
        input_hw: Height and width of the image, px.
    """
    parameters = sum(parameter.numel() for parameter in network.parameters())
    device = next(network.parameters()).device
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, *input_hw, device=device))
    return {"parameters": parameters, "gmac": counter.get_total_flops() / 2e9}
