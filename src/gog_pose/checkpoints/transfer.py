"""Transfer: a network that starts from the weights of a checkpoint of any method."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from gog_pose.checkpoints.description import KEY, NETWORK_PREFIX, read_checkpoint
from gog_pose.checkpoints.public_names import require_fit
from gog_pose.errors import InputError
from gog_pose.networks import PoseNetwork
from gog_pose.networks.trunk import build_trunk, describe_trunk
from gog_pose.networks.unfolding import put_norms_back
from gog_pose.skeleton import Skeleton


class Transfer(NamedTuple):
    """Parts that a network took from a checkpoint, and parts that are new.

    Attributes:
        taken: Number of tensors by part: ``trunk``, ``neck``, ``heads``.
        new: Parts that keep their own weights, and why.
        norms: Number of norms that were put back behind the trunk's folded convolutions.
    """

    taken: dict[str, int]
    new: dict[str, str]
    norms: int = 0

    def __str__(self) -> str:
        """Return one line for the user."""
        taken = ", ".join(f"{part} ({count} tensors)" for part, count in self.taken.items())
        new = "".join(f"; {part} new: {reason}" for part, reason in self.new.items())
        norms = f"; {self.norms} norms put back, with statistics of training crops" if self.norms else ""
        return f"taken: {taken}{new}{norms}"


def start_from(
    network: PoseNetwork, path: str | Path, crops: Callable[[], Iterable[torch.Tensor]] | None = None
) -> Transfer:
    """Give a network the weights of a checkpoint: the trunk always, neck and heads where they fit.

    The heads fit where method, skeleton and all shapes agree; the neck where its shapes do.

    Args:
        network: Any method, any skeleton; its parts that do not fit stay as they are.
        path: A checkpoint of ours, imported or trained.
        crops: Gives batches of training crops, ``(B, 3, H, W)``. Where the file's trunk is the folded form of the
            network's, the statistics of batch normalization are measured on them.

    Raises:
        InputError: The file is missing or damaged, or its trunk is another.
    """
    checkpoint = read_checkpoint(path)
    description = checkpoint[KEY]
    state = {
        name.removeprefix(NETWORK_PREFIX): tensor
        for name, tensor in checkpoint["state_dict"].items()
        if name.startswith(NETWORK_PREFIX)
    }
    taken: dict[str, int] = {}
    new: dict[str, str] = {}
    norms = 0
    for part, module in network.named_children():
        tensors = _below(state, part)
        reason = _other_people(description, network) if part == "heads" else None
        if part == "trunk" and crops is not None and _is_folded(description, network):
            norms = put_norms_back(module, _trunk_of(description, tensors), crops())
            taken[part] = len(tensors)
            continue
        if reason is None:
            try:
                require_fit(tensors, module.state_dict())
            except InputError as error:
                if part == "trunk":
                    raise InputError(f"{path}: {error}") from None
                reason = "the file has none" if not tensors else "the file's have other shapes"
        if reason is None:
            module.load_state_dict(tensors)
            taken[part] = len(tensors)
        else:
            new[part] = reason
    return Transfer(taken, new, norms)


def _below(state: dict[str, torch.Tensor], part: str) -> dict[str, torch.Tensor]:
    prefix = f"{part}."
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def _other_people(description: Mapping[str, Any], network: PoseNetwork) -> str | None:
    """Return why heads are for something else; None where they are not."""
    method, skeleton = description["method"], Skeleton(**description["skeleton"])
    if method != network.method:
        return f"the file's are of method {method}"
    if skeleton != network.skeleton:
        return f"the file's are for {skeleton.name}"
    return None


def _is_folded(description: Mapping[str, Any], network: PoseNetwork) -> bool:
    """Return whether the trunk of a file is that of a network, but for batch normalization."""
    own, other = describe_trunk(network.trunk), description["network"]["trunk"]
    return own != other and own.get("norm") is True and {**own, "norm": False} == other


def _trunk_of(description: Mapping[str, Any], tensors: dict[str, torch.Tensor]) -> nn.Module:
    """Build the trunk of a file with its weights."""
    trunk = build_trunk(**description["network"]["trunk"])
    assert isinstance(trunk, nn.Module)
    require_fit(tensors, trunk.state_dict())
    trunk.load_state_dict(tensors)
    return trunk
