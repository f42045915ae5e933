"""What all benchmarks ask of their options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from gog_pose.errors import InputError


def require_counts(**least: tuple[int, int]) -> None:
    """Check numbers: each with the least that it may be.

    Raises:
        InputError: One is below.
    """
    for name, (number, lowest) in least.items():
        if number < lowest:
            raise InputError(f"{name}: must be {lowest} or more, got {number}")


def require_cases(batches: Sequence[int], variants: Mapping[str, Any], device: str) -> None:
    """Check what a network is measured with.

    Raises:
        InputError: There is no batch size, no variant or no such device.
    """
    if not batches or min(batches) < 1:
        raise InputError(f"batches: must be numbers of 1 or more, got {list(batches)}")
    if device not in ("cpu", "cuda") or (device == "cuda" and not torch.cuda.is_available()):
        raise InputError(f"device: must be cpu, or cuda where there is one, got {device}")
    if not variants:
        raise InputError("variants: must have at least one entry, e.g. plain={}")
