"""Conversion of Simple Pose's public weights to the tensor names of this package."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import torch

from gog_pose.checkpoints.public_names import PublicWeights
from gog_pose.errors import InputError
from gog_pose.methods.simple_pose.body import body_of, public_order
from gog_pose.skeleton import load_skeleton

_SCALES = 5
# Parts of one level of an hourglass, by their numbers in the public program.
_LEVEL = {"0": "skips.{}", "1": "downs.{}.1", "2": "ups.{}.0", "3": "ups.{}.2", "4": "middle"}
_RESIDUAL = {
    **{f"convBlock.{3 * layer + place}": f"body.{layer}.{place}" for layer in range(3) for place in range(2)},
    **{f"skipConv.{place}": f"skip.{place}" for place in range(2)},
}
_CONV_NORM = {"conv": "0", "bn": "1"}
_LAYER = r"((?:convBlock|skipConv)\.\d|conv|bn)"
# Patterns of public names and the corresponding names here, with the numbers of stack, scale or layer.
_PARTS = (
    (r"pre\.(conv|bn)1", "stem.near.0.{}"),
    (rf"pre\.(res[12])\.{_LAYER}", "stem.near.{}.{}"),
    (rf"pre\.dilation\.(\d)\.{_LAYER}", "stem.far.{}.{}"),
    (rf"hourglass\.(\d)\.hg\.(\d)\.(\d)\.{_LAYER}", "hourglasses.{}.{}.{}"),
    (rf"features\.(\d)\.before_regress\.(\d)\.([01])\.{_LAYER}", "features.{}.{}.{}.{}"),
    (r"features\.(\d)\.before_regress\.(\d)\.2\.fc\.([02])", "features.{}.{}.2.weigh.{}"),
    (rf"merge_preds\.(\d)\.(\d)\.conv\.{_LAYER}", "carries.{}.{}.from_guides.{}"),
    (rf"merge_features\.(\d)\.(\d)\.conv\.{_LAYER}", "carries.{}.{}.from_features.{}"),
)
_OUTPUT = re.compile(r"outs\.(\d)\.(\d)\.conv\.(weight|bias)")
_PREFIX = re.compile(r"^(module\.)?(posenet\.)?")
_FIRST_HOURGLASS = "hourglass.0.hg."
_RESIDUALS = {"res1": "1", "res2": "3"}


def our_name(name: str) -> str | None:
    """Translate the name of a tensor of the trunk.

    Args:
        name: Name in the public state dict, without the prefixes ``module.`` and ``posenet.``.

    Returns:
        Name in ``networks.trunks.identity_mapping_hourglass``; None if it has no such tensor.
    """
    layer, _, field = name.rpartition(".")
    for pattern, ours in _PARTS:
        if match := re.fullmatch(pattern, layer):
            parts = [_RESIDUALS.get(part, _RESIDUAL.get(part, _CONV_NORM.get(part, part))) for part in match.groups()]
            if layer.startswith("hourglass."):
                stack, level, number, inner = parts
                place = _LEVEL.get(number, "").format(level)
                return f"hourglasses.{stack}.{place}.{inner}.{field}" if place else None
            return f"{ours.format(*parts)}.{field}"
    return None


def is_simple_pose(names: Iterable[str]) -> bool:
    """Return whether a state dict has the tensor names of Simple Pose's network."""
    return any(_PREFIX.sub("", name).startswith(_FIRST_HOURGLASS) for name in names)


def translate_network(state: Mapping[str, torch.Tensor]) -> PublicWeights:
    """Return trunk and heads by the names of ``PoseNetwork``, and the options derived from the tensors.

    The 50 maps per stack and scale are split into two heads: 18 heatmaps and 30 limb maps. The person mask and the
    maximum over the heatmaps are left out of the heads. All 50 maps are inputs (guides) of the next stack.

    Args:
        state: A public state dict.

    Raises:
        InputError: A tensor does not belong to the network.
    """
    coco = load_skeleton("coco_19")
    limbs = body_of(coco, "neck").num_limbs
    rows = {"heatmap": [limbs + channel for channel in public_order(coco)], "limb": list(range(limbs))}
    tensors: dict[str, torch.Tensor] = {}
    unknown, outputs = [], {}
    for public, tensor in state.items():
        name = _PREFIX.sub("", public)
        if match := _OUTPUT.fullmatch(name):
            stack, scale, field = int(match[1]), int(match[2]), match[3]
            outputs[stack, scale, field] = tensor
        elif ours := our_name(name):
            tensors[f"trunk.{ours}"] = tensor
        else:
            unknown.append(public)
    stacks = 1 + max((stack for stack, _, _ in outputs), default=-1)
    if unknown or not stacks:
        named = ", ".join(unknown[:3]) if unknown else "no head"
        raise InputError(f"{named}: not the public file of Simple Pose (models/posenet.py); check source=")
    for (stack, scale, field), tensor in outputs.items():
        if len(tensor) < limbs + len(rows["heatmap"]):
            raise InputError(f"outs.{stack}.{scale}.conv.{field}: has {len(tensor)} maps instead of 50; check source=")
        if stack < stacks - 1:
            tensors[f"trunk.carries.{stack}.{scale}.guides.{field}"] = tensor
        place = _SCALES * stack + _SCALES - 1 - scale  # here the coarsest scale is the first
        for head, own in rows.items():
            tensors[f"heads.{head}.{place}.{field}"] = tensor[own]
    return PublicWeights("simple_pose", tensors, {"stacks": stacks, "scales": _SCALES}, {"body": "neck"})
