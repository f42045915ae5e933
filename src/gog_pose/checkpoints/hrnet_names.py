"""Conversion of public bottom-up HRNet and HigherHRNet weights to the tensor names of this package."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import torch

from gog_pose.checkpoints.public_names import PublicWeights
from gog_pose.errors import InputError

_LAYER = r"((?:conv|bn)[123])"
# Patterns of public names and the corresponding names here; of the matched parts, only those in _NUMBERS change.
_PARTS = (
    (_LAYER, "stem.{}"),
    (rf"layer1\.(\d)\.{_LAYER}", "bottlenecks.{}.body.{}"),
    (r"layer1\.(\d)\.downsample\.([01])", "bottlenecks.{}.skip.{}"),
    (r"(transition[123])\.(\d)\.(?:0\.)?([01])", "{}.{}.{}"),
    (rf"(stage[234])\.(\d)\.branches\.(\d)\.(\d)\.{_LAYER}", "{}.{}.branches.{}.{}.body.{}"),
    (r"(stage[234])\.(\d)\.fuse_layers\.(\d)\.(\d)\.([01])", "{}.{}.fusions.{}.paths.{}.0.{}"),
    (r"(stage[234])\.(\d)\.fuse_layers\.(\d)\.(\d)\.(\d)\.([01])", "{}.{}.fusions.{}.paths.{}.{}.{}"),
)
_NUMBERS = {
    **{f"{kind}{number}": f"{number - 1}.{place}" for number in (1, 2, 3) for place, kind in enumerate(("conv", "bn"))},
    **{f"transition{number}": f"stages.{number - 1}.enter" for number in (1, 2, 3)},
    **{f"stage{number}": f"stages.{number - 2}.exchanges" for number in (2, 3, 4)},
}
_HEADS = ("final_layers.", "deconv_layers.")
_FIRST_HEAD = "final_layers.0"  # heatmaps and tags in one convolution
_HEAD_PARTS = (
    (r"final_layers\.1", "fine_heatmap.0"),
    (r"deconv_layers\.0\.0\.([01])", "finer.0.{}"),
    (rf"deconv_layers\.0\.(\d)\.0\.{_LAYER}", "finer.0.{}.body.{}"),
)
_BLOCKS_FROM = 2  # difference of block numbers, because public names count the preceding layers as one block


def our_name(name: str) -> str | None:
    """Translate the name of a tensor of the trunk.

    Args:
        name: Name in the public state dict, without the ``module.`` of data-parallel training.

    Returns:
        Name in ``networks.trunks.hrnet.HRNet``; None if it has no such tensor.
    """
    layer, _, field = name.rpartition(".")
    for pattern, ours in _PARTS:
        if match := re.fullmatch(pattern, layer):
            return f"{ours.format(*(_NUMBERS.get(part, part) for part in match.groups()))}.{field}"
    return None


def translate(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the tensors of the trunk by the names of ``HRNet``, without those of the heads.

    Args:
        state: A public state dict, with or without the prefix ``module.``.

    Raises:
        InputError: A tensor belongs neither to the trunk nor to the heads, or there is no tensor of a trunk.
    """
    tensors, unknown = {}, []
    for public, tensor in state.items():
        name = public.removeprefix("module.")
        ours = our_name(name)
        if ours is not None:
            tensors[ours] = tensor
        elif not name.startswith(_HEADS):
            unknown.append(public)
    if unknown or not tensors:
        named = ", ".join(unknown[:3]) if unknown else "no tensor of the trunk"
        raise InputError(f"{named}: not a public file of bottom-up HRNet or HigherHRNet; check source=")
    return tensors


def is_hrnet(names: Iterable[str]) -> bool:
    """Return whether a state dict has the tensor names of HRNet with heads for Associative Embedding."""
    return any(name.removeprefix("module.").startswith(_FIRST_HEAD) for name in names)


def translate_network(state: Mapping[str, torch.Tensor]) -> PublicWeights:
    """Return trunk and heads by the names of ``PoseNetwork``, and the options derived from the tensors.

    Args:
        state: A public state dict, with or without the prefix ``module.``.

    Raises:
        InputError: A tensor does not belong to these networks, or a tensor that defines their shape is missing.
    """
    tensors = {f"trunk.{name}": tensor for name, tensor in translate(state).items()}
    own = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    first = own.get(f"{_FIRST_HEAD}.weight")
    if first is None or first.ndim != 4:
        raise InputError(f"{_FIRST_HEAD}.weight: is missing: not a public file of bottom-up HRNet; check source=")
    for name, tensor in own.items():
        if name.startswith(f"{_FIRST_HEAD}."):
            field = name.rpartition(".")[2]
            half = len(first) // 2
            tensors |= {f"heads.heatmap.0.{field}": tensor[:half], f"heads.tag.0.{field}": tensor[half:]}
        elif name.startswith(_HEADS):
            tensors[f"heads.{_head_name(name)}"] = tensor
    resolutions = 2 if "final_layers.1.weight" in own else 1
    return PublicWeights("higherhrnet", tensors, {"width": first.shape[1]}, {"resolutions": resolutions})


def _head_name(name: str) -> str:
    """Translate the name of a head's tensor at the second resolution.

    Raises:
        InputError: The heads have no such tensor.
    """
    layer, _, field = name.rpartition(".")
    for pattern, ours in _HEAD_PARTS:
        if match := re.fullmatch(pattern, layer):
            block, *inner = match.groups() or ("",)
            numbered = [str(int(block) + _BLOCKS_FROM)] if inner else [block]
            return f"{ours.format(*numbered, *(_NUMBERS[part] for part in inner))}.{field}"
    raise InputError(f"{name}: no such tensor in a public file of HigherHRNet; check source=")
