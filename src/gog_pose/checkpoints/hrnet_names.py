"""Weights of the public bottom-up HRNet and HigherHRNet files, under our names: the trunk, which both share."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch

from gog_pose.errors import InputError

_LAYER = r"((?:conv|bn)[123])"
# What theirs is called and what ours is called; of the numbers in between only those of _NUMBERS change.
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


def our_name(name: str) -> str | None:
    """Translate the name of a tensor of the trunk.

    Args:
        name: As in the public state dict, without the ``module.`` of data-parallel training.

    Returns:
        Its name in ``networks.trunks.hrnet.HRNet``; None where that has no such tensor.
    """
    layer, _, field = name.rpartition(".")
    for pattern, ours in _PARTS:
        if match := re.fullmatch(pattern, layer):
            return f"{ours.format(*(_NUMBERS.get(part, part) for part in match.groups()))}.{field}"
    return None


def translate(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the tensors of the trunk by the names of ``HRNet``; those of the heads are left out.

    Args:
        state: A public state dict, with or without ``module.`` before each name.

    Raises:
        InputError: It holds a tensor that neither the trunk nor the heads of those networks have, or none of a trunk.
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
        named = ", ".join(unknown[:3]) if unknown else "no tensor of its trunk"
        raise InputError(f"{named}: not a public file of bottom-up HRNet or HigherHRNet; check source=")
    return tensors
