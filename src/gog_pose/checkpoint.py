"""What a checkpoint says about itself, so that it can be used without the configuration that made it.

Beside Lightning's entries a checkpoint holds one entry, ``gog_pose``, of plain values: format, skeleton, network,
decoder and preprocessing. Nothing in a checkpoint names code to run, and files are only ever read with
``weights_only=True``.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from gog_pose.decoding import Decoder, describe_decoder
from gog_pose.errors import InputError
from gog_pose.models import PoseNetwork
from gog_pose.preprocessing import Preprocessing
from gog_pose.skeleton import Skeleton

KEY = "gog_pose"
FORMAT = 1
NETWORK_PREFIX = "network."


def describe(network: PoseNetwork, decoder: Decoder, preprocessing: Preprocessing) -> dict[str, Any]:
    """Return the plain description that ``read_checkpoint`` and ``PoseEstimator`` understand."""
    return {
        "format": FORMAT,
        "skeleton": network.skeleton.to_dict(),
        "network": network.to_dict(),
        "decoder": describe_decoder(decoder),
        "preprocessing": preprocessing.to_dict(),
    }


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint of this package, safely.

    Raises:
        InputError: The file is missing, is no checkpoint, needs code to load, or comes from something else.
    """
    path = Path(path)
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path}: no such checkpoint; check checkpoint= or resume=") from None
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: not a checkpoint that can be read safely ({reason}); use one of gog-train") from None
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get(KEY), dict):
        raise InputError(f"{path}: the entry {KEY!r} is missing: not a checkpoint of gog-train")
    if checkpoint[KEY].get("format") != FORMAT:
        raise InputError(
            f"{path}: {KEY}.format is {checkpoint[KEY].get('format')}, this version reads {FORMAT};"
            " use the version of gog_pose that wrote it"
        )
    return checkpoint


def require_same_kind(checkpoint: dict[str, Any], network: PoseNetwork) -> None:
    """Check that a checkpoint was trained for the skeleton of a network and its way of grouping.

    Raises:
        InputError: It was trained for another.
    """
    skeleton, grouping = network.skeleton, checkpoint[KEY]["network"].get("grouping", "gog")
    if grouping != network.grouping:
        raise InputError(
            f"checkpoint: it was trained with grouping={grouping}, the configuration says {network.grouping};"
            f" set grouping={grouping}"
        )
    other = Skeleton(**checkpoint[KEY]["skeleton"])
    if other != skeleton:
        raise InputError(
            f"checkpoint: skeleton: it was trained for {other.name} ({other.num_keypoints} keypoints,"
            f" {other.num_limbs} limbs), the configuration says {skeleton.name} ({skeleton.num_keypoints} keypoints,"
            f" {skeleton.num_limbs} limbs); set skeleton={other.name}"
        )
