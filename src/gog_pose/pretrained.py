"""Public weights: a file of the authors or of CenterNet to a checkpoint of ours, and a network that starts from one."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from gog_pose.center.decoder import CenterDecoder
from gog_pose.checkpoint import KEY, NETWORK_PREFIX, describe, read_checkpoint
from gog_pose.decoding import GogDecoder
from gog_pose.errors import InputError
from gog_pose.files import replaced
from gog_pose.models import Hourglass, PoseNetwork
from gog_pose.models.weights import PublicWeights, require_fit, translate
from gog_pose.preprocessing import Preprocessing
from gog_pose.skeleton import Skeleton

TRUNK = "trunk."

# The authors' network: their offsets are px of the input image, and their evaluation takes a resize to align corners.
_OFFSETGUIDED = Preprocessing(interpolation="cubic", coordinates="align_corners")
# CenterNet's statistics are those of COCO, in OpenCV's order of channels.
_CENTERNET = Preprocessing(
    mean=(0.40789654, 0.44719302, 0.47026115),
    std=(0.28863828, 0.27408164, 0.27809835),
    channel_order="bgr",
    layout="centernet",
)
PREPROCESSING = {"offsetguided": _OFFSETGUIDED, "centernet": _CENTERNET}
_NETWORKS: dict[str, dict[str, Any]] = {
    "offsetguided": {"grouping": "gog", "offset_unit": 1.0},  # px
    "centernet": {"grouping": "center", "offset_unit": 4.0},  # cells
}
_DECODERS = {"offsetguided": GogDecoder, "centernet": CenterDecoder}


@dataclass(frozen=True)
class Imported:
    """What became of a public file.

    Attributes:
        weights: What it held, under our names.
        skeleton: What the network is for.
        num_parameters: Numbers learned that were taken over, running statistics not counted.
    """

    weights: PublicWeights
    skeleton: Skeleton
    num_parameters: int


def import_weights(source: str | Path, output: str | Path, kind: str, skeletons: dict[int, Skeleton]) -> Imported:
    """Write a public file as a checkpoint of ours, strictly: every tensor must have its place and its shape.

    Args:
        source: A file of ``torch.save``: a state dict, or one under ``state_dict`` or ``model_state_dict``.
        output: The checkpoint to write: of kind ``offsetguided`` a network of ``grouping=gog``, of kind ``centernet``
            one of ``grouping=center``, whose trunk ``pretrained_network`` takes for any.
        kind: ``centernet``, ``offsetguided`` or ``auto``.
        skeletons: By their number of limbs those that a file may be for; CenterNet needs no limbs, and the first is
            noted down.

    Raises:
        InputError: The file cannot be read safely, is of another kind, or does not fit Hourglass-104.
    """
    try:
        weights = translate(_read_state(Path(source)), kind)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    if weights.num_limbs is None:
        skeleton = next(iter(skeletons.values()))
    elif weights.num_limbs in skeletons:
        skeleton = skeletons[weights.num_limbs]
    else:
        raise InputError(
            f"{source}: its heads are for {weights.num_limbs} limbs; known are {', '.join(map(str, skeletons))}"
        )
    with torch.device("meta"):  # names and shapes only
        network = PoseNetwork(skeleton, Hourglass(), **_NETWORKS[weights.kind])
    expected = network.state_dict()
    try:
        require_fit(weights.tensors, expected)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    state = {NETWORK_PREFIX + name: weights.tensors[name].to(tensor.dtype) for name, tensor in expected.items()}
    checkpoint = {
        "state_dict": state,
        KEY: describe(network, _DECODERS[weights.kind](skeleton), PREPROCESSING[weights.kind]),
    }
    _write(checkpoint, Path(output))
    learned = {name for name, _ in network.named_parameters()}
    return Imported(weights, skeleton, sum(t.numel() for name, t in weights.tensors.items() if name in learned))


def pretrained_network(*, weights: str, skeleton: Skeleton, **options: Any) -> PoseNetwork:
    """Build a network with the trunk of a checkpoint and new heads.

    Args:
        weights: A checkpoint of ours: imported, or trained for any skeleton.
        skeleton: What the new heads are for.
        **options: Further arguments of ``PoseNetwork``.

    Raises:
        InputError: The file is missing, or its trunk is another.
    """
    network = PoseNetwork(skeleton, **options)
    state = read_checkpoint(weights)["state_dict"]
    prefix = NETWORK_PREFIX + TRUNK
    trunk = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
    try:
        require_fit(trunk, network.trunk.state_dict())
    except InputError as error:
        raise InputError(f"{weights}: {error}") from None
    network.trunk.load_state_dict(trunk)
    return network


def _read_state(path: Path) -> dict[str, torch.Tensor]:
    """Read the state dict of a public file without running anything in it."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError("no such file; check source=") from None
    except pickle.UnpicklingError:
        raise InputError(
            "refused: not a file of torch.save, or one with objects beside tensors, whose loading would run code"
        ) from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"not a file of torch.save ({reason}); check source=") from None
    for key in ("state_dict", "model_state_dict"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
            break
    if not isinstance(content, dict) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise InputError("holds no state dict; expected names and tensors, at the top or under state_dict")
    return {str(name): tensor for name, tensor in content.items()}


def _write(checkpoint: dict[str, Any], output: Path) -> None:
    """Write a file that is there completely or not at all."""
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with replaced(output) as part:
            torch.save(checkpoint, part)
    except OSError as error:
        raise InputError(f"output: {output} cannot be written ({error.strerror}); give another file") from None
