"""Files in the format of TensorFlow.js, with the tensor names of MoveNet MultiPose and any values."""

import json
from functools import partial

import numpy as np
import torch

from gog_pose.checkpoints.movenet import movenet_names
from gog_pose.methods import load_method
from gog_pose.networks import PoseNetwork
from gog_pose.networks.trunk import build_trunk
from gog_pose.skeleton import load_skeleton


def movenet_network():
    """The network that MoveNet's weights are for."""
    options = {"offset_unit": 4.0, "form": "separable", "refinements": "per_type"}
    heads = partial(load_method("centernet").heads, **options)
    return PoseNetwork(load_skeleton("coco_19"), build_trunk("mobilenet_fpn", norm=False), heads)


def movenet_arrays(seed=0):
    """Arrays by public names, in TensorFlow's shapes, of multiples of 1/64, and a constant as the decoder has them."""
    with torch.device("meta"):
        state = movenet_network().state_dict()
    random = np.random.default_rng(seed)
    arrays = {}
    for ours, theirs in movenet_names().items():
        shape = tuple(state[ours].shape)
        if len(shape) == 4:
            out, inside, height, width = shape
            per_channel = inside == 1 and height == 3
            shape = (height, width, out, 1) if per_channel else (height, width, inside, out)
        arrays[theirs] = random.integers(-32, 32, shape).astype(np.float32) / 64
    return {**arrays, "StatefulPartitionedCall/Reshape_3": np.arange(6, dtype=np.int32)}


def write_graph_model(folder, arrays, name="movenet.json"):
    """Write arrays as a graph model of float16 numbers; return its JSON file."""
    entries, numbers = [], b""
    for key, array in arrays.items():
        entry = {"name": key, "shape": list(array.shape), "dtype": str(array.dtype)}
        if array.dtype == np.float32:
            entry["quantization"] = {"dtype": "float16", "original_dtype": "float32"}
            array = array.astype(np.float16)
        entries.append(entry)
        numbers += array.tobytes()
    path = folder / name
    path.with_suffix(".bin").write_bytes(numbers)
    manifest = [{"paths": [path.with_suffix(".bin").name], "weights": entries}]
    path.write_text(json.dumps({"format": "graph-model", "weightsManifest": manifest}))
    return path
