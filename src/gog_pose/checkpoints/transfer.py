"""Transfer of weights from a checkpoint of any method to a new network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from gog_pose.checkpoints.description import KEY, NETWORK_PREFIX, read_checkpoint
from gog_pose.checkpoints.public_names import require_fit
from gog_pose.errors import InputError
from gog_pose.methods import load_method
from gog_pose.networks import PoseNetwork
from gog_pose.networks.trunk import build_trunk, describe_trunk
from gog_pose.networks.unfolding import put_norms_back
from gog_pose.skeleton import Skeleton


class Transfer(NamedTuple):
    """Parts of a network that were transferred from a checkpoint, and parts that were not.

    Attributes:
        taken: Number of transferred tensors by part: ``trunk``, ``neck``, ``heads``.
        new: Parts that keep their initial weights, with the reason.
        norms: Number of normalization layers that were restored after the trunk's folded convolutions.
    """

    taken: dict[str, int]
    new: dict[str, str]
    norms: int = 0

    def __str__(self) -> str:
        """Return a summary in one line."""
        taken = ", ".join(f"{part} ({count} tensors)" for part, count in self.taken.items())
        new = "".join(f"; {part} new: {reason}" for part, reason in self.new.items())
        norms = f"; {self.norms} norms restored, with statistics of training crops" if self.norms else ""
        return f"transferred: {taken}{new}{norms}"


def start_from(
    network: PoseNetwork, path: str | Path, crops: Callable[[], Iterable[torch.Tensor]] | None = None
) -> Transfer:
    """Initialize a network with the weights of a checkpoint: always the trunk, neck and heads if they match.

    Layers that are wider than in the file compute the same channels as in the file, and further ones (``widened``).
    Branches of the heads that are not in the file keep their initial weights. From heads of another method or another
    list of limbs, branches with the same meaning are transferred: heatmaps of keypoints, and all layers except the last
    of vectors.

    Args:
        network: Network of any method and skeleton; parts that do not match are unchanged.
        path: A trained or imported checkpoint of this package.
        crops: Yields batches of training crops, ``(B, 3, H, W)``. If the trunk in the file is the folded form of the
            network's trunk, the statistics of batch normalization are measured on these crops.

    Raises:
        InputError: The file is missing or damaged, or has another trunk.
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
    try:
        trunk = _below(state, "trunk")
        if crops is not None and _is_folded(description, network):
            folded = build_trunk(**{**describe_trunk(network.trunk), "norm": False})
            assert isinstance(folded, nn.Module)
            folded.load_state_dict(_fitted(trunk, folded))
            norms = put_norms_back(network.trunk, folded, crops())  # type: ignore[arg-type]
        else:
            network.get_submodule("trunk").load_state_dict(_fitted(trunk, network.get_submodule("trunk")))
        taken["trunk"] = len(trunk)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    if network.neck is not None:
        _take(network, "neck", _below(state, "neck"), taken, new)
    other = Skeleton(**description["skeleton"])
    heads = _below(state, "heads")
    if description["method"] == network.method and other == network.skeleton:
        _take_own_heads(network, heads, taken, new)
    elif other.keypoints == network.skeleton.keypoints:
        _take_branches(network, heads, load_method(description["method"]).heads, taken)
    if not any(part.startswith("heads") for part in taken):
        new["heads"] = new.get("heads") or _difference(description, other, network)
    return Transfer(taken, new, norms)


def widened(own: torch.Tensor, taken: torch.Tensor) -> torch.Tensor:
    """Return weights for a layer such that it computes the outputs of a narrower layer, and further ones.

    Args:
        own: Initial weights of the layer; the first two dimensions, outputs and inputs, may exceed those of ``taken``.
        taken: Weights of the narrower layer.

    Returns:
        Weights in the shape of ``own``. The first outputs are those of the narrower layer and ignore further inputs;
        further outputs keep their initial weights, rescaled to the magnitude of ``taken``.

    Raises:
        InputError: The layers are of different kinds, or the layer is narrower than ``taken``.
    """
    fits = own.ndim == taken.ndim and own.shape[2:] == taken.shape[2:]
    if not fits or any(mine < theirs for mine, theirs in zip(own.shape, taken.shape, strict=True)):
        raise InputError(
            f"has shape {tuple(taken.shape)}, but the network needs {tuple(own.shape)}; the file is for another network"
        )
    if own.shape == taken.shape:
        return taken
    weights = own.clone()
    outputs = len(taken)
    if own.ndim > 1 and len(own) > outputs:
        ratio = taken.square().mean().sqrt() / own[outputs:].square().mean().sqrt().clamp(min=1e-12)
        weights[outputs:] = own[outputs:] * ratio
    weights[:outputs] = 0
    weights[tuple(slice(size) for size in taken.shape)] = taken
    return weights


def _fitted(tensors: Mapping[str, torch.Tensor], module: nn.Module) -> dict[str, torch.Tensor]:
    """Return the weights of a module from the tensors of a file, widened where necessary.

    Raises:
        InputError: A tensor is missing, superfluous, or of another kind of layer.
    """
    expected = module.state_dict()
    fitted = {name: _widened(name, expected[name], tensors[name]) for name in tensors if name in expected}
    require_fit({**tensors, **fitted}, expected)
    return fitted


def _widened(name: str, own: torch.Tensor, taken: torch.Tensor) -> torch.Tensor:
    try:
        return widened(own, taken)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None


def _take(
    network: PoseNetwork, part: str, tensors: Mapping[str, torch.Tensor], taken: dict[str, int], new: dict[str, str]
) -> None:
    """Transfer a whole part if it matches."""
    module = network.get_submodule(part)
    try:
        module.load_state_dict(_fitted(tensors, module))
        taken[part] = len(tensors)
    except InputError:
        new[part] = "the shapes in the file differ" if tensors else "the file has none"


def _take_own_heads(
    network: PoseNetwork, tensors: Mapping[str, torch.Tensor], taken: dict[str, int], new: dict[str, str]
) -> None:
    """Transfer heads of the same method and skeleton; the file may lack a branch, but no branch may be superfluous."""
    branches = {name for name, branch in network.heads.named_children() if branch.state_dict()}
    in_file = {name.partition(".")[0] for name in tensors}
    if not in_file or not in_file < branches:
        _take(network, "heads", tensors, taken, new)
        return
    for name in sorted(branches):
        _take(network, f"heads.{name}", _below(tensors, name), taken, new)


def _take_branches(
    network: PoseNetwork, tensors: Mapping[str, torch.Tensor], theirs: Any, taken: dict[str, int]
) -> None:
    """Transfer the branches of other heads whose maps have the same meaning; for vectors without the last layer."""
    for meaning, name in getattr(network.heads, "BRANCHES", {}).items():
        found = _below(tensors, getattr(theirs, "BRANCHES", {}).get(meaning, ""))
        branch = network.heads.get_submodule(name)
        own = branch.state_dict()
        if meaning == "keypoint vectors":
            last = max(own, key=_layer, default="")
            own = {key: tensor for key, tensor in own.items() if _layer(key) != _layer(last)}
            found = {key: tensor for key, tensor in found.items() if _layer(key) != _layer(last)}
        try:
            if not own or set(own) != set(found):
                continue
            fitted = {key: widened(tensor, found[key]) for key, tensor in own.items()}
        except InputError:
            continue
        branch.load_state_dict(fitted, strict=False)
        taken[f"heads.{name}"] = len(fitted)


def _layer(name: str) -> str:
    """Return the layer of a tensor within the branch of an output, such as 3 for ``0.3.weight``."""
    return name.rpartition(".")[0].partition(".")[2]


def _below(state: Mapping[str, torch.Tensor], part: str) -> dict[str, torch.Tensor]:
    prefix = f"{part}."
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def _difference(description: Mapping[str, Any], skeleton: Skeleton, network: PoseNetwork) -> str:
    """Return the reason why the heads in a file do not match a network."""
    if description["method"] != network.method:
        return f"the file has heads of method {description['method']}"
    return f"the file has heads for {skeleton.name}"


def _is_folded(description: Mapping[str, Any], network: PoseNetwork) -> bool:
    """Return whether the trunk of a file is the network's trunk with batch normalization folded."""
    own, other = describe_trunk(network.trunk), description["network"]["trunk"]
    return bool(own["name"] == other["name"] and own.get("norm") is True and other.get("norm") is False)
