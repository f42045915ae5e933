"""Checks of options that several benchmarks share."""

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
    """Check numbers: each with the least that it may be.

    Raises:
        InputError: One is below.
    """
    for name, (number, lowest) in least.items():
        if number < lowest:
            raise InputError(f"{name}: must be {lowest} or more, got {number}")


def require_cases(batches: Sequence[int], variants: Mapping[str, Any], device: str) -> None:
    """Check the batch sizes, the variants and the device that a network is measured with.

    Raises:
        InputError: There is no batch size, no variant or no such device.
    """
    if not batches or min(batches) < 1:
        raise InputError(f"batches: must be numbers of 1 or more, got {list(batches)}")
    if device not in ("cpu", "cuda") or (device == "cuda" and not torch.cuda.is_available()):
        raise InputError(f"device: must be cpu, or cuda where there is one, got {device}")
    if not variants:
        raise InputError("variants: must have at least one entry, e.g. plain={}")


def require_stride(network: PoseNetwork, encoder: Encoder) -> None:
    """Check that an encoder is for the features of a network.

    Raises:
        InputError: The stride of the configuration is not the trunk's.
    """
    if encoder.stride != network.stride:
        raise InputError(f"model.stride: {encoder.stride} is not the stride of the trunk, {network.stride}; correct it")


def require_reference(encoder: Encoder) -> Reference:
    """Return the plain implementations of an encoder's method.

    Raises:
        InputError: The method has none, or not with these options of the encoder.
    """
    reference = load_method(method_of(encoder)).reference
    if reference is None:
        known = [name for name in method_names() if load_method(name).reference is not None]
        raise InputError(
            f"method: {method_of(encoder)} has no plain implementation to compare with; choose {' or '.join(known)}"
        )
    nobody = np.zeros((0, encoder.skeleton.num_keypoints, 3), dtype=np.float32), np.zeros(0, dtype=np.float32)
    reference.encode(encoder, *nobody, (encoder.stride, encoder.stride))
    return reference
