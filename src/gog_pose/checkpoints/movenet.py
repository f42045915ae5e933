"""Import of MoveNet MultiPose, Google's public network, from a TensorFlow.js graph model.

A graph model is a JSON file, whose ``weightsManifest`` lists names, shapes and types, and files of raw numbers in the
same folder; reading it runs no code. The graph is not used: the network is ``mobilenet_fpn`` with the heads of
``method=centernet``, and tensors are assigned by name. In the file, convolution weights have the layout (height, width,
in, out), depthwise weights (height, width, channels, 1), and vectors have y before x.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gog_pose.checkpoints.public_names import PublicWeights
from gog_pose.errors import InputError

OFFSET_UNIT = 32.0  # px per unit of the heads of offsets and sizes, as in trainings of this trunk

_STRIDE = 4  # px per cell; the unit of the public heads is a cell
_DTYPES = {"float32": "<f4", "int32": "<i4", "bool": "|b1", "uint8": "|u1", "uint16": "<u2", "float16": "<f2"}

_MODEL = "StatefulPartitionedCall/center_net_mobile_net_v2fpn_feature_extractor/model_1/"
_HEADS = {  # names here to public names, in the order of the graph
    "centers": "center",
    "sizes": "box_scale",
    "center_refinements": "box_offset",
    "heatmaps": "kpt_heatmap",
    "offsets": "kpt_regress",
    "refinements": "kpt_offset",
}
_NUM_BLOCKS = 17
# Suffixes of the names of layer weights; all other arrays are constants of the graph's decoder.
_LAYER = re.compile(r"(?:ReadVariableOp(?:_1)?|_weights|_bn_offset)$")
# As in CenterNet, vectors start at the first pixel of a cell; here they start at its center, 3/8 of a cell (stride 4)
# further. The graph does not specify whether positions are pixel centers; with this assumption, keypoints in
# photographs have no mean offset.
_CORNER_TO_CENTER = 3 / 8
_VECTORS = ("offsets", "center_refinements", "refinements")
_LENGTHS = ("offsets", "sizes")  # in cells in the file, in units of OFFSET_UNIT here


def read_graph_model(path: str | Path) -> dict[str, np.ndarray]:
    """Read the arrays of a graph model.

    Args:
        path: JSON file; the files of numbers are in the same folder.

    Returns:
        Arrays by name, dequantized, with TensorFlow's shapes.

    Raises:
        InputError: A file is missing, has another format, or does not match the list of weights.
    """
    path = Path(path)
    try:
        groups = _groups(json.loads(_read(path).decode()))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{path}: not a JSON file ({error}); check source=") from None
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: not a TensorFlow.js graph model ({error!r}); check source=") from None
    arrays: dict[str, np.ndarray] = {}
    for names, entries in groups:
        if any(name != Path(name).name for name in names):
            raise InputError(
                f"{path}: {', '.join(names)}: weights are in other folders; move them to the folder of {path.name}"
            )
        numbers = b"".join(_read(path.parent / name) for name in names)
        start = 0
        for entry in entries:
            try:
                array, start = _array(entry, numbers, start)
            except (KeyError, TypeError, ValueError, OverflowError) as error:
                raise InputError(f"{path}: {entry}: cannot be read from {', '.join(names)} ({error})") from None
            arrays[str(entry["name"])] = array
        if start != len(numbers):
            raise InputError(
                f"{path}: {', '.join(names)}: has {len(numbers)} bytes, but the listed weights need {start};"
                " the files are damaged or do not belong together"
            )
    return arrays


def translate_movenet(arrays: Mapping[str, np.ndarray]) -> PublicWeights:
    """Convert the weights of MoveNet MultiPose to the names and conventions of this package.

    Args:
        arrays: Arrays by their names in the graph, including constants of its decoder, which are left out.

    Raises:
        InputError: A weight of a layer is missing or unknown.
    """
    places = movenet_names()
    missing = [name for name in places.values() if name not in arrays]
    extra = [name for name in arrays if _LAYER.search(name) and name not in places.values()]
    if missing or extra:
        problem = "is missing" if missing else "is unknown"
        more = f" and {len(missing or extra) - 1} more" if len(missing or extra) > 1 else ""
        raise InputError(f"{(missing or extra)[0]}{more}: {problem}; give the weights of MoveNet MultiPose")
    return PublicWeights("movenet", {ours: _converted(ours, arrays[name]) for ours, name in places.items()})


def movenet_names() -> dict[str, str]:
    """Return a mapping from names in ``PoseNetwork`` to names in the graph."""
    names: dict[str, str] = {}

    def folded(ours: str, theirs: str, *, kind: str = "Conv2D") -> None:
        names[f"{ours}.1.weight"] = f"{_MODEL}{theirs}/{kind}_weights"
        names[f"{ours}.1.bias"] = f"{_MODEL}{theirs}/{kind}_bn_offset"

    def plain(ours: str, theirs: str) -> None:
        names[f"{ours}.weight"] = f"{theirs}/Conv2D/ReadVariableOp"
        names[f"{ours}.bias"] = f"{theirs}/BiasAdd/ReadVariableOp"

    folded("trunk.stem", "model/Conv1")
    for block in range(_NUM_BLOCKS):
        ours, theirs = f"trunk.blocks.{block}", f"model/block_{block}" if block else "model/expanded_conv"
        if block:
            folded(f"{ours}.expand", f"{theirs}_expand")
        folded(f"{ours}.filter", f"{theirs}_depthwise", kind="depthwise")
        folded(f"{ours}.project", f"{theirs}_project")
    folded("trunk.last", "model/Conv_1")
    for level in range(4):  # here level 0 is the finest, in the graph the coarsest
        plain(f"trunk.laterals.{level}", f"{_MODEL}conv2d{_number(3 - level)}")
    for level in range(3):
        theirs = f"separable_conv2d{_number(2 - level)}"
        names[f"trunk.smooth.{level}.0.weight"] = f"{_MODEL}{theirs}/separable_conv2d/ReadVariableOp"
        folded(f"trunk.smooth.{level}.1", theirs, kind="separable_conv2d")
    for place, (ours, theirs) in enumerate(_HEADS.items()):
        layers = f"StatefulPartitionedCall/{theirs}_0"
        separable = f"{layers}/separable_conv2d_{place + 3}"
        names[f"heads.{ours}.0.0.weight"] = f"{separable}/separable_conv2d/ReadVariableOp"
        names[f"heads.{ours}.0.1.weight"] = f"{separable}/separable_conv2d/ReadVariableOp_1"
        names[f"heads.{ours}.0.1.bias"] = f"{separable}/BiasAdd/ReadVariableOp"
        plain(f"heads.{ours}.0.3", f"{layers}/conv2d_{place + 4}")
    return names


def _number(count: int) -> str:
    """Return the suffix that TensorFlow appends to the names of repeated layers."""
    return f"_{count}" if count else ""


def _converted(name: str, array: np.ndarray) -> torch.Tensor:
    """Return a weight in PyTorch's layout; vectors have x before y, start at cell centers and use ``OFFSET_UNIT``."""
    tensor = torch.from_numpy(np.array(array, dtype=np.float32))
    if tensor.ndim == 4:
        per_channel = tensor.shape[3] == 1 and tensor.shape[:2] != (1, 1)
        tensor = tensor.permute(2, 3, 0, 1) if per_channel else tensor.permute(3, 2, 0, 1)
    _, head, *_, layer, field = name.split(".")
    if not name.startswith("heads.") or layer != "3":
        return tensor.contiguous()
    if head in (*_VECTORS, *_LENGTHS):
        tensor = tensor.reshape(-1, 2, *tensor.shape[1:]).flip(1).flatten(0, 1)
    if head in _VECTORS and field == "bias":
        tensor = tensor - _CORNER_TO_CENTER
    if head in _LENGTHS:
        tensor = tensor * (_STRIDE / OFFSET_UNIT)
    return tensor.contiguous()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file; check source=") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check source=") from None


def _groups(model: Any) -> list[tuple[list[str], list[Any]]]:
    """Return the file names and the entries of each group of weights."""
    return [([str(name) for name in group["paths"]], list(group["weights"])) for group in model["weightsManifest"]]


def _array(entry: Any, numbers: bytes, start: int) -> tuple[np.ndarray, int]:
    """Return a listed array and the position of its end.

    Raises:
        ValueError: The type or shape is invalid, or the data are too short.
    """
    stored = entry.get("quantization") or {"dtype": entry["dtype"]}
    shape = entry["shape"]
    if stored["dtype"] not in _DTYPES or not all(type(side) is int and side >= 0 for side in shape):
        raise ValueError(f"type {stored['dtype']}, shape {shape}")
    dtype, count = np.dtype(_DTYPES[stored["dtype"]]), math.prod(shape)
    end = start + count * dtype.itemsize
    if end > len(numbers):
        raise ValueError(f"the data end at byte {len(numbers)}, but the array ends at byte {end}")
    array = np.frombuffer(numbers, dtype, count, start).reshape(shape)
    if "scale" in stored:
        array = array.astype(np.float32) * np.float32(stored["scale"]) + np.float32(stored["min"])
    return array, end
