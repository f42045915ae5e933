"""Checks of options of several benchmarks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from gog_pose.errors import InputError
from gog_pose.methods import load_method, method_names, method_of
from gog_pose.methods.method import Encoder, Reference
from gog_pose.networks import PoseNetwork


def require_counts(**least: tuple[int, int]) -> None:
    """Check numbers, given as pairs of the number and its lowest allowed value.

    Raises:
        InputError: A number is too low.
    """
    for name, (number, lowest) in least.items():
        if number < lowest:
            raise InputError(f"{name}: must be {lowest} or more, got {number}")


def require_cases(batches: Sequence[int], variants: Mapping[str, Any], device: str) -> None:
    """Check batch sizes, variants and device.

    Raises:
        InputError: There is no batch size or no variant, or the device does not exist.
    """
    if not batches or min(batches) < 1:
        raise InputError(f"batches: must be numbers of 1 or more, got {list(batches)}")
    if device not in ("cpu", "cuda") or (device == "cuda" and not torch.cuda.is_available()):
        raise InputError(f"device: must be cpu, or cuda on a machine with a GPU, got {device}")
    if not variants:
        raise InputError("variants: must have at least one entry, e.g. plain={}")


def require_stride(network: PoseNetwork, encoder: Encoder) -> None:
    """Check that encoder and network have the same stride.

    Raises:
        InputError: The stride of the configuration differs from the trunk's.
    """
    if encoder.stride != network.stride:
        raise InputError(f"model.stride: {encoder.stride} differs from the trunk's stride {network.stride}; correct it")


def require_reference(encoder: Encoder) -> Reference:
    """Return the reference implementations of an encoder's method.

    Raises:
        InputError: The method has none, or none for these options of the encoder.
    """
    reference = load_method(method_of(encoder)).reference
    if reference is None:
        known = [name for name in method_names() if load_method(name).reference is not None]
        raise InputError(
            f"method: {method_of(encoder)} has no reference implementation to compare with; choose {' or '.join(known)}"
        )
    nobody = np.zeros((0, encoder.skeleton.num_keypoints, 3), dtype=np.float32), np.zeros(0, dtype=np.float32)
    reference.encode(encoder, *nobody, (encoder.stride, encoder.stride))
    return reference
