"""Compact checkpoints: float16 weights without the training state."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gog_pose.checkpoints.description import KEY, NETWORK_PREFIX, describe, read_network
from gog_pose.methods.decoders import change_decoder
from gog_pose.networks import PoseNetwork
from gog_pose.networks.folding import fold_norms
from gog_pose.networks.trunk import build_trunk, describe_trunk
from gog_pose.system.files import replaced


def write_compact(
    source: str | Path, output: str | Path, *, long_side: int | None = None, decoder: Mapping[str, Any] | None = None
) -> None:
    """Write network, decoder and preprocessing of a checkpoint, for prediction and transfer.

    Weights are float16, which changes responses by about 0.001. If the trunk has the option ``norm``, its batch
    normalization is folded into the convolutions.

    Args:
        source: A checkpoint of gog-train or gog-import-weights.
        output: The file to write.
        long_side: Long side of the input, px; None = as in the checkpoint.
        decoder: Options that replace those of the checkpoint's decoder.

    Raises:
        InputError: The checkpoint cannot be read, or an option is out of range.
        OSError: The file cannot be written.
    """
    network, stored_decoder, preprocessing = read_network(source)
    description = describe(
        _folded(network), change_decoder(stored_decoder, decoder or {}), preprocessing.resized(long_side=long_side)
    )
    state = {
        NETWORK_PREFIX + name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in network.state_dict().items()
    }
    with replaced(Path(output)) as part:
        torch.save({"state_dict": state, KEY: description}, part)


def _folded(network: PoseNetwork) -> PoseNetwork:
    """Fold the batch normalization of the trunk in place, if the trunk supports this."""
    options = describe_trunk(network.trunk)
    if options.get("norm") is True:
        trunk = build_trunk(**{**options, "norm": False})
        assert isinstance(network.trunk, nn.Module)
        assert isinstance(trunk, nn.Module)
        trunk.load_state_dict(fold_norms(network.trunk.eval()).state_dict())
        network.trunk = trunk
    return network
