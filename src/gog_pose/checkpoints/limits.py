"""Limits on the description in a checkpoint, so that a small file cannot consume much time or memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from gog_pose.errors import InputError
from gog_pose.system.options import require

_MOST_VALUES = 100_000  # per description; the paper's network has three hundred
_ENTRIES = {
    "skeleton": Mapping[str, Any],
    "method": str,
    "network": Mapping[str, Any],
    "decoder": Mapping[str, Any],
    "preprocessing": Mapping[str, Any],
}


def require_description(description: Mapping[str, Any], path: str | Path) -> None:
    """Check that a description has all entries and a bounded number of values, where shared lists count repeatedly.

    Raises:
        InputError: An entry is missing or wrong, or there are too many values.
    """
    left, values = [description], 0
    while left:
        value: Any = left.pop()
        values += 1
        if values + len(left) > _MOST_VALUES:
            raise InputError(f"{path}: gog_pose: describes more than {_MOST_VALUES} values; the file is damaged")
        if isinstance(value, Mapping):
            left += [*value.keys(), *value.values()]
        elif isinstance(value, (list, tuple)):
            left += value
        elif value is not None and not isinstance(value, (bool, int, float, str)):
            raise InputError(
                f"{path}: gog_pose: contains a {type(value).__name__}, not only plain values; the file is damaged"
            )
    for name, kind in _ENTRIES.items():
        require(f"{path}: gog_pose.{name}", description.get(name), kind)
    trunk = description["network"].get("trunk")
    require(f"{path}: gog_pose.network.trunk", trunk, Mapping[str, Any])
    require(f"{path}: gog_pose.network.trunk.name", trunk.get("name"), str)


@contextmanager
def no_more_parameters_than(tensors: Mapping[str, torch.Tensor]) -> Iterator[None]:
    """Stop the construction of a network that has more parameters than there are tensors.

    Raises:
        InputError: The network has more parameters.
    """
    built = 0

    def count(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        nonlocal built
        built += parameter is not None
        if built > len(tensors):
            raise InputError(f"gog_pose: describes a network with more than the {len(tensors)} tensors of the file")

    hook = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()
