"""Trunks, which convert images to feature maps: one file per trunk in ``trunks/``, named like the trunk.

To add a trunk ``mine``, write ``networks/trunks/mine.py`` with a class that follows ``Trunk`` and ``TRUNK = Mine``, and
``conf/model/mine.yaml`` with its stride and options. Then ``gog-train model=mine`` works and checkpoints store the
name.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from typing import Any, Protocol

import torch

from gog_pose.errors import InputError
from gog_pose.methods.method import FeatureMap
from gog_pose.networks import trunks
from gog_pose.system.options import check_arguments


class Trunk(Protocol):
    """An ``nn.Module`` that initializes its weights or loads trained ones.

    Attributes:
        feature_maps: Its feature maps, one per supervised output, the last is final; before a neck, the neck's inputs.
        max_stride: Both sides of an input must be multiples of this, px.

    A trunk may also have ``float_parts``, the names of submodules that stay float32 in an exported int8 file.
    """

    feature_maps: Sequence[FeatureMap]
    max_stride: int

    def __call__(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Map ``(B, 3, H, W)`` normalized images to ``(B, C, H / stride, W / stride)`` features."""

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments that determine its shape, as plain values for checkpoints."""


def trunk_names() -> list[str]:
    """Return the names of all trunks."""
    return sorted(module.name for module in pkgutil.iter_modules(trunks.__path__))


def build_trunk(name: str, **options: Any) -> Trunk:
    """Build a trunk by its name.

    Raises:
        InputError: There is no such trunk, or an option is unknown or out of its range.
    """
    if name not in trunk_names():
        raise InputError(f"model.trunk: {name!r} is unknown; choose {', '.join(trunk_names())}")
    build = importlib.import_module(f"{trunks.__name__}.{name}").TRUNK
    check_arguments(build, options, "model.trunk")
    trunk: Trunk = build(**options)
    return trunk


def describe_trunk(trunk: Trunk) -> dict[str, Any]:
    """Return plain values: ``name`` and the options that ``build_trunk`` takes."""
    return {"name": type(trunk).__module__.rpartition(".")[2], **trunk.options()}
