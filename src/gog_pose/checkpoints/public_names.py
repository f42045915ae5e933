"""Conversion of public Hourglass-104 weights to the tensor names of this package.

Two families share a trunk of 960 tensors: CenterNet's multi-person pose model (``multi_pose_hg_3x.pth``), with the six
heads per stack of ``method=centernet``, and the model of the paper's authors (``PoseNet_*_epoch.pth``), with the two
heads of ``method=gog``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from gog_pose.errors import InputError

_CENTERNET_HEAD = re.compile(r"(hm|wh|hps|reg|hm_hp|hp_offset)\.(\d)\.(0\.conv|1)\.(weight|bias)")
_CENTERNET_HEADS = {
    "hm": "centers",
    "wh": "sizes",
    "hps": "offsets",
    "reg": "center_refinements",
    "hm_hp": "heatmaps",
    "hp_offset": "refinements",
}
_LAYERS = {"0.conv": "0", "1": "2"}
# CenterNet's vectors start at the corner of a cell; here they start at its center, 3/8 of a cell (stride 4) further.
_VECTOR_BIAS = re.compile(r"heads\.(offsets|center_refinements|refinements)\.\d\.2\.bias")
_CORNER_TO_CENTER = 3 / 8
_CONV_NORM = {"conv": "0", "bn": "1", "0": "0", "1": "1"}
_RESIDUAL = {"conv1": "body.0.0", "bn1": "body.0.1", "conv2": "body.1.0", "bn2": "body.1.1"}
_BRANCHES = {"up1": "full", "low1": "down", "low2": "middle", "low3": "up"}
# Parts of the trunk: pattern of the public name, name here, kind of layers.
_PARTS = (
    (r"pre\.0", "stem.0", "norm"),
    (r"pre\.1", "stem.1", "residual"),
    (r"kps\.(\d)((?:\.low2)*)\.(up1|low1|low2|low3)\.(\d)", r"hourglasses.\1\2.\3.\4", "residual"),
    (r"cnvs\.(\d)", r"features.\1", "norm"),
    (r"inters\.(\d)", r"refine.\1", "residual"),
    (r"inters_\.(\d)", r"merge_input.\1", "norm"),
    (r"cnvs_\.(\d)", r"merge_features.\1", "norm"),
)
_HEADS = (
    (r"headnets\.0\.hp_convs\.(\d)\.(weight|bias)", r"heads.heatmap.\1.\2"),
    (r"headnets\.1\.reg_convs\.(\d)\.(weight|bias)", r"heads.offset.\1.\2"),
)


@dataclass(frozen=True)
class PublicWeights:
    """The converted content of a public checkpoint.

    Attributes:
        kind: Name of the family.
        tensors: Tensors with the names (``trunk.*`` and ``heads.*``) and conventions of ``PoseNetwork``.
        trunk: Options of the trunk that differ within the family, derived from the shapes of tensors.
        heads: Options of the heads, derived in the same way.
    """

    kind: str
    tensors: dict[str, torch.Tensor]
    trunk: dict[str, Any] = field(default_factory=dict)
    heads: dict[str, Any] = field(default_factory=dict)

    @property
    def num_keypoints(self) -> int | None:
        """Number of keypoint types of the heatmaps, without Simple Pose's neck; None if it cannot be derived."""
        head = self.tensors.get("heads.heatmap.0.weight")
        return None if head is None else len(head) - (self.heads.get("body") == "neck")

    @property
    def num_limbs(self) -> int | None:
        """Number of limbs of the guiding offsets; None if there are no guiding offsets."""
        head = self.tensors.get("heads.offset.0.weight")
        return None if head is None else len(head) // 2


def our_name(name: str) -> str | None:
    """Translate the name of a tensor.

    Args:
        name: Name in the public state dict, with or without the prefixes ``module.`` (data-parallel training) and
            ``basenet.`` (the authors' trunk).

    Returns:
        Name in ``PoseNetwork``; None if it has no such tensor.
    """
    name = re.sub(r"^(module\.)?(basenet\.)?", "", name)
    if match := _CENTERNET_HEAD.fullmatch(name):
        head, stack, layer, field = match.groups()
        return f"heads.{_CENTERNET_HEADS[head]}.{stack}.{_LAYERS[layer]}.{field}"
    for pattern, ours in _HEADS:
        if match := re.fullmatch(pattern, name):
            return match.expand(ours)
    for pattern, ours, content in _PARTS:
        if match := re.match(pattern + r"\.", name):
            leaf = _leaf(name[match.end() :].split("."), content)
            place = ".".join(_BRANCHES.get(part, part) for part in match.expand(ours).split("."))
            return None if leaf is None else f"trunk.{place}.{leaf}"
    return None


def _leaf(parts: list[str], content: str) -> str | None:
    """Translate the part of a name below a convolution with norm (``norm``) or below a residual block."""
    *path, kind = parts
    if content == "residual":
        if len(path) == 1 and path[0] in _RESIDUAL:
            return f"{_RESIDUAL[path[0]]}.{kind}"
        if len(path) == 2 and path[0] == "skip" and path[1] in ("0", "1"):
            return f"skip.{path[1]}.{kind}"
        return None
    return f"{_CONV_NORM[path[0]]}.{kind}" if len(path) == 1 and path[0] in _CONV_NORM else None


def translate(state: Mapping[str, torch.Tensor], kind: str = "auto") -> PublicWeights:
    """Convert a public state dict to the names of this package.

    Args:
        state: Tensors by name.
        kind: Expected kind: ``centernet``, ``offsetguided``, or ``auto`` to derive it from the names.

    Raises:
        InputError: The state dict belongs to neither family or not to the expected one, or a tensor is unknown.
    """
    tensors, unknown = {}, []
    for name, tensor in state.items():
        ours = our_name(name)
        if ours is None:
            unknown.append(name)
        else:
            tensors[ours] = tensor - _CORNER_TO_CENTER if _VECTOR_BIAS.fullmatch(ours) else tensor
    if not any(name.startswith("trunk.") for name in tensors):
        raise InputError(
            "no tensor of Hourglass-104 with the names of CenterNet or of the paper's authors; check source="
        )
    found = "centernet" if any(name.startswith("heads.centers.") for name in tensors) else "offsetguided"
    if kind not in ("auto", found):
        raise InputError(f"kind: the file is of kind {found}, not {kind}; set kind={found} or kind=auto")
    if unknown:
        raise InputError(f"{_listed(unknown)}: no such tensor in a public checkpoint of kind {found}; check source=")
    return PublicWeights(found, tensors)


def require_fit(tensors: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> None:
    """Check that tensors match those of a network exactly.

    Raises:
        InputError: A tensor is missing, superfluous, of another shape, or not finite.
    """
    missing = [name for name in expected if name not in tensors]
    extra = [name for name in tensors if name not in expected]
    problem = "is missing" if missing else "does not exist in the network"
    if missing or extra:
        raise InputError(f"{_listed(missing or extra)}: {problem}; the file is damaged or for another network")
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape:
            raise InputError(
                f"{name}: has shape {tuple(tensor.shape)}, but the network needs {tuple(expected[name].shape)};"
                " the file is damaged or for another network"
            )
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise InputError(f"{name}: contains values that are not finite; the file is damaged")


def _listed(names: list[str]) -> str:
    """Return the first three names and the number of the others."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
