"""Parameter groups, which allow a separate learning rate for the trunk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.optim import Optimizer

from gog_pose.networks import PoseNetwork


def build_optimizer(network: PoseNetwork, optimizer: Callable[[Any], Optimizer], trunk_rate: float) -> Optimizer:
    """Build the optimizer of a network's trainable parameters.

    Args:
        network: The network; parameters without gradient are left out.
        optimizer: Builds the optimizer from parameters or parameter groups.
        trunk_rate: Factor on the learning rate of the trunk.
    """
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if trunk_rate == 1:
        return optimizer(trained)
    of_trunk = {id(parameter) for parameter in network.get_submodule("trunk").parameters()}
    trunk = [parameter for parameter in trained if id(parameter) in of_trunk]
    others = [parameter for parameter in trained if id(parameter) not in of_trunk]
    built = optimizer([{"params": others}, {"params": trunk}] if trunk else others)
    if trunk:
        built.param_groups[1]["lr"] *= trunk_rate
    return built
