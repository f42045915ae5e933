"""Description of a network in its checkpoint, which makes the configuration of the training unnecessary.

In addition to Lightning's entries, a checkpoint contains the entry ``gog_pose`` with plain values: format, skeleton,
method, network (trunk, neck and heads), decoder and preprocessing. A checkpoint never names code to run, and files are
read with ``weights_only=True``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from gog_pose.checkpoints.limits import no_more_parameters_than, require_description
from gog_pose.checkpoints.older_formats import converted
from gog_pose.checkpoints.reading import read_torch_file, require_sound
from gog_pose.errors import InputError
from gog_pose.imaging.preprocessing import Preprocessing
from gog_pose.methods.decoders import build_decoder, describe_decoder
from gog_pose.methods.method import Decoder
from gog_pose.networks import PoseNetwork
from gog_pose.skeleton import Skeleton
from gog_pose.system.options import check_arguments

KEY = "gog_pose"
FORMAT = 3
NETWORK_PREFIX = "network."


class TrainedNetwork(NamedTuple):
    """A network with its weights, decoder and preprocessing."""

    network: PoseNetwork
    decoder: Decoder
    preprocessing: Preprocessing


def describe(network: PoseNetwork, decoder: Decoder, preprocessing: Preprocessing) -> dict[str, Any]:
    """Return the description in plain values from which ``read_network`` rebuilds the network."""
    return {
        "format": FORMAT,
        "skeleton": network.skeleton.to_dict(),
        "method": network.method,
        "network": network.to_dict(),
        "decoder": describe_decoder(decoder),
        "preprocessing": preprocessing.to_dict(),
    }


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint of this package safely; descriptions of older formats are converted.

    Raises:
        InputError: The file is missing, is not a checkpoint of this package, or needs code to load.
    """
    checkpoint = read_torch_file(path, "checkpoint= or resume=")
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get(KEY), dict):
        raise InputError(f"{path}: {KEY}: is missing; give a checkpoint of gog-train")
    description = checkpoint[KEY]
    found = description.get("format")
    if found not in range(1, FORMAT + 1):
        raise InputError(
            f"{path}: {KEY}.format: is {found}, but this version reads 1 to {FORMAT}; use the version that wrote it"
        )
    if found != FORMAT:
        try:
            checkpoint[KEY] = converted(description)
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path}: {KEY}: is not a description of format {found} ({error!r})") from error
    require_description(checkpoint[KEY], path)
    require_sound(checkpoint.get("state_dict"), path)
    return checkpoint


def read_network(path: str | Path) -> TrainedNetwork:
    """Rebuild network, decoder and preprocessing from a checkpoint.

    Raises:
        InputError: The file is not such a checkpoint, or its weights do not match its description.
    """
    checkpoint = read_checkpoint(path)
    description = checkpoint[KEY]
    weights = {
        key.removeprefix(NETWORK_PREFIX): value
        for key, value in checkpoint["state_dict"].items()
        if key.startswith(NETWORK_PREFIX)
    }
    try:
        skeleton = Skeleton(**description["skeleton"])
        # The meta device avoids the initialization of weights that are replaced anyway.
        with torch.device("meta"), no_more_parameters_than(weights):
            network = PoseNetwork.from_dict(skeleton, description["method"], description["network"])
        decoder = build_decoder(skeleton, description["method"], description["decoder"])
        check_arguments(Preprocessing, description["preprocessing"], "preprocessing")
        preprocessing = Preprocessing(**description["preprocessing"])
        network.load_state_dict(_of_type(weights, network.state_dict()), assign=True)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, IndexError, ArithmeticError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: {KEY}: does not match the weights ({reason}); the file is damaged") from error
    return TrainedNetwork(network, decoder, preprocessing)


def _of_type(weights: dict[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Convert weights to the data types of a network; only the precision of floating-point numbers may differ.

    Raises:
        InputError: A tensor has another kind of data type.
    """
    converted = {}
    for name, tensor in weights.items():
        dtype = expected[name].dtype if name in expected else tensor.dtype
        if tensor.dtype != dtype and not (tensor.is_floating_point() and dtype.is_floating_point):
            raise InputError(f"{name}: must have the type {dtype}, got {tensor.dtype}; the file is damaged")
        converted[name] = tensor.to(dtype)
    return converted


def require_same_kind(checkpoint: dict[str, Any], network: PoseNetwork) -> None:
    """Check that a checkpoint was trained for the skeleton and the method of a network.

    Raises:
        InputError: Skeleton or method differ.
    """
    skeleton, method = network.skeleton, checkpoint[KEY]["method"]
    if method != network.method:
        raise InputError(
            f"checkpoint: was trained with method={method}, but the configuration has {network.method};"
            f" set method={method}"
        )
    other = Skeleton(**checkpoint[KEY]["skeleton"])
    if other != skeleton:
        raise InputError(
            f"checkpoint: skeleton: was trained for {other.name} ({other.num_keypoints} keypoints,"
            f" {other.num_limbs} limbs), but the configuration has {skeleton.name} ({skeleton.num_keypoints} keypoints,"
            f" {skeleton.num_limbs} limbs); set skeleton={other.name}"
        )
