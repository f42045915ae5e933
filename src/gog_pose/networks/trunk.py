"""Trunks: image to feature maps. One file per trunk in ``trunks/``; the file's name is the trunk's.

How to add a trunk ``mine``: write ``networks/trunks/mine.py`` with a class that follows ``Trunk`` and ``TRUNK = Mine``,
and ``conf/model/mine.yaml`` with its stride and options. ``gog-train model=mine`` then works, checkpoints name it.
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
    """An ``nn.Module`` that initializes its own weights, or brings trained ones along.

    Attributes:
        feature_maps: Its feature maps, one per supervised output, the last is final; before a neck whatever that takes.
        max_stride: Both sides of an input must be multiples of this, px.
    """

    feature_maps: Sequence[FeatureMap]
    max_stride: int

    def __call__(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Map ``(B, 3, H, W)`` normalized images to ``(B, C, H / stride, W / stride)`` features."""

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments that decide its shape: plain values, for checkpoints."""


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
