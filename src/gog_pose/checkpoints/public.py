"""Import of public weights: the paper's authors, CenterNet, MoveNet, HigherHRNet and Simple Pose."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from gog_pose.checkpoints import simple_pose_names
from gog_pose.checkpoints.description import KEY, NETWORK_PREFIX, describe
from gog_pose.checkpoints.hrnet_names import is_hrnet, translate_network
from gog_pose.checkpoints.movenet import OFFSET_UNIT, read_graph_model, translate_movenet
from gog_pose.checkpoints.public_names import PublicWeights, require_fit, translate
from gog_pose.checkpoints.reading import read_torch_file
from gog_pose.checkpoints.writing import save_whole
from gog_pose.errors import InputError
from gog_pose.imaging.preprocessing import Preprocessing
from gog_pose.methods import load_method
from gog_pose.methods.decoders import build_decoder
from gog_pose.networks import PoseNetwork
from gog_pose.networks.trunk import build_trunk
from gog_pose.skeleton import Skeleton


@dataclass(frozen=True)
class _Family:
    """Method, network and decoder for public weights of one kind.

    Attributes:
        method: Method of the heads.
        trunk: Name and options of the trunk.
        heads: Options of the heads.
        decoder: Rules and options of the decoder.
        preprocessing: Conversion of images to inputs in the training of the network.
    """

    method: str
    trunk: dict[str, Any]
    heads: dict[str, Any]
    decoder: dict[str, Any]
    preprocessing: Preprocessing


_HOURGLASS = {"name": "hourglass"}
_FAMILIES = {
    # The authors' network: offsets are in px of the input image, and their evaluation resizes with aligned corners.
    "offsetguided": _Family(
        "gog",
        _HOURGLASS,
        {"offset_unit": 1.0},
        {},
        Preprocessing(interpolation="cubic", coordinates="align_corners"),
    ),
    # CenterNet's offsets are in cells; mean and std are those of COCO, in BGR order.
    "centernet": _Family(
        "centernet",
        _HOURGLASS,
        {"offset_unit": 4.0},
        {},
        Preprocessing(
            mean=(0.40789654, 0.44719302, 0.47026115),
            std=(0.28863828, 0.27408164, 0.27809835),
            channel_order="bgr",
            layout="centered",
        ),
    ),
    # MoveNet's vectors and lengths are converted together with its names. On photographs, twice its spread is better.
    "movenet": _Family(
        "centernet",
        {"name": "mobilenet_fpn", "norm": False},
        {"offset_unit": OFFSET_UNIT, "form": "separable", "refinements": "per_type"},
        {"rules": "movenet", "spread": 0.6, "refinements": "per_type"},
        Preprocessing(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), long_side=512),
    ),
    # HigherHRNet, or bottom-up HRNet with one resolution; width and resolutions are derived from the file.
    "higherhrnet": _Family(
        "associative_embedding", {"name": "hrnet"}, {}, {"rules": "higherhrnet"}, Preprocessing(short_side=512)
    ),
    # Simple Pose uses pixels / 255 in BGR order, with a gray border.
    "simple_pose": _Family(
        "simple_pose",
        {"name": "identity_mapping_hourglass"},
        {},
        {"rules": "official"},
        Preprocessing(
            mean=(0.0, 0.0, 0.0),
            std=(1.0, 1.0, 1.0),
            channel_order="bgr",
            height=640,
            interpolation="cubic",
            border=128,
        ),
    ),
}
KINDS = tuple(_FAMILIES)


@dataclass(frozen=True)
class Imported:
    """Converted weights of a public file.

    Attributes:
        weights: Weights with the names of this package.
        skeleton: Skeleton of the network.
        num_parameters: Number of imported parameters, without running statistics.
    """

    weights: PublicWeights
    skeleton: Skeleton
    num_parameters: int


def import_weights(source: str | Path, output: str | Path, kind: str, skeletons: dict[int, Skeleton]) -> Imported:
    """Convert a public file to a checkpoint of this package; names and shapes of all tensors must match the network.

    Args:
        source: A file of ``torch.save`` with a state dict at the top level or under ``state_dict``,
            ``model_state_dict`` or ``weights``; or the JSON file (``.json``) of MoveNet's graph model, with its files
            of numbers in the same folder.
        output: The checkpoint to write. Its method is ``gog`` for the kind ``offsetguided``, ``associative_embedding``
            for ``higherhrnet``, ``simple_pose`` for ``simple_pose``, and ``centernet`` for the others. ``start_from``
            can transfer its trunk to any method.
        kind: One of ``KINDS`` or ``auto``.
        skeletons: Possible skeletons by their number of limbs. If the network has no limbs, the first skeleton with
            the same number of keypoints is used.

    Raises:
        InputError: The file cannot be read safely, is of another kind, or does not match the network of its kind.
    """
    weights = _read_weights(Path(source), kind)
    fitting = [one for one in skeletons.values() if weights.num_keypoints in (None, one.num_keypoints)]
    if weights.num_limbs is None:
        if not fitting:
            raise InputError(
                f"{source}: has heads for {weights.num_keypoints} keypoints; set skeletons= to one with this number"
            )
        skeleton = fitting[0]
    elif weights.num_limbs in skeletons:
        skeleton = skeletons[weights.num_limbs]
    else:
        raise InputError(
            f"{source}: has heads for {weights.num_limbs} limbs, but the given skeletons have"
            f" {', '.join(map(str, skeletons))}; set skeletons="
        )
    family = _FAMILIES[weights.kind]
    with torch.device("meta"):  # names and shapes only
        heads = partial(load_method(family.method).heads, **family.heads, **weights.heads)
        network = PoseNetwork(skeleton, build_trunk(**family.trunk, **weights.trunk), heads)
    expected = network.state_dict()
    try:
        require_fit(weights.tensors, expected)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    renamed = {
        NETWORK_PREFIX + name: weights.tensors[name].to(tensor.dtype).contiguous() for name, tensor in expected.items()
    }
    checkpoint = {
        "state_dict": renamed,
        KEY: describe(network, build_decoder(skeleton, family.method, family.decoder), family.preprocessing),
    }
    save_whole(checkpoint, Path(output))
    learned = {name for name, _ in network.named_parameters()}
    return Imported(weights, skeleton, sum(t.numel() for name, t in weights.tensors.items() if name in learned))


def _read_weights(path: Path, kind: str) -> PublicWeights:
    """Read a public file and convert its names."""
    if path.suffix != ".json":
        state = _read_state(path)
        try:
            if kind == "higherhrnet" or (kind == "auto" and is_hrnet(state)):
                return translate_network(state)
            if kind == "simple_pose" or (kind == "auto" and simple_pose_names.is_simple_pose(state)):
                return simple_pose_names.translate_network(state)
            return translate(state, kind)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
    if kind not in ("auto", "movenet"):
        raise InputError(f"kind: {path} is a graph model (kind movenet), not {kind}; set kind=movenet or kind=auto")
    arrays = read_graph_model(path)
    try:
        return translate_movenet(arrays)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _read_state(path: Path) -> dict[str, torch.Tensor]:
    """Read the state dict of a public file without running code in it."""
    content = read_torch_file(path, "source=")
    for key in ("state_dict", "model_state_dict", "weights"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
            break
    if not isinstance(content, dict) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise InputError(
            f"{path}: contains no state dict; give a file with tensors by name, at the top level or under state_dict"
        )
    return {str(name): tensor for name, tensor in content.items()}
