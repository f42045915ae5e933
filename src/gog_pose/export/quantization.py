"""Static quantization of an exported file: the trunk in int8, all later layers in float32."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gog_pose.errors import InputError
from gog_pose.export.deployable import Deployable
from gog_pose.export.files import quiet
from gog_pose.export.runtime import PlainPixels
from gog_pose.imaging.letterbox import prepare_image
from gog_pose.imaging.reading import read_image
from gog_pose.media.frames import ImageFile
from gog_pose.media.sources import find_media
from gog_pose.runtime.file import INPUT

MOST_IMAGES = 200  # of the calibration: ranges hardly change after some tens of photographs
_SCOPES = "pkg.torch.onnx.name_scopes"  # metadata of PyTorch's exporter: the modules that a node comes from
_TRUNK = "network.trunk"
# Operations between convolutions that hardly reduce the precision of int8 values. All others remain in float32.
_JOINING = ("Add", "Concat")
_OPERATIONS = ("Conv", "Relu", "Clip", "MaxPool", "AveragePool", "GlobalAveragePool", "Resize", *_JOINING)


class Quantized(NamedTuple):
    """The convolutions of a quantized file.

    Attributes:
        converted: Number of convolutions in int8.
        total: Number of all convolutions of the network.
    """

    converted: int
    total: int


def find_photographs(sources: str | Sequence[str], output: Path) -> list[Path]:
    """Return the images for the calibration, ``MOST_IMAGES`` of them at equal intervals if there are more.

    Args:
        sources: Image files, folders or patterns.
        output: The file to write.

    Raises:
        InputError: A source has no image.
    """
    paths: list[Path] = []
    for source in [sources] if isinstance(sources, str) else sources:
        media = find_media(source, output, option="calibration").media
        images = [medium.path for medium in media if isinstance(medium, ImageFile)]
        if not images:
            raise InputError(f"calibration: {source}: has no image; give photographs")
        paths += images
    if not paths:
        raise InputError("calibration: the list is empty; give photographs")
    places = np.linspace(0, len(paths) - 1, min(len(paths), MOST_IMAGES)).round().astype(int)
    return [paths[place] for place in places]


def prepared(deployable: Deployable, paths: Iterable[Path]) -> Iterator[np.ndarray]:
    """Yield ``(1, H, W, 3)`` uint8 inputs of the file, resized and padded as at prediction.

    Raises:
        InputError: An image cannot be read.
    """
    preprocessing = PlainPixels(**deployable.preprocessing.to_dict())
    for path in paths:
        image = read_image(path, exif=True)
        yield prepare_image(image, preprocessing, deployable.network.max_stride).tensor.numpy()[None]


def quantize(source: Path, output: Path, images: Iterator[np.ndarray], float_parts: Sequence[str] = ()) -> Quantized:
    """Write a copy of an exported file in which the trunk computes in int8.

    The weights have one scale per channel and 7 bits: with 8 bits, the 16-bit sums of CPUs without VNNI overflow. Only
    the weights of depthwise convolutions, which ONNX Runtime computes without such sums, have 8 bits. The activations
    are uint8, and their ranges are the smallest and the largest values on the images.

    Args:
        source: A float32 file that ``write_onnx`` wrote.
        output: The file to write.
        images: Inputs of the file.
        float_parts: Names of the parts of the trunk that remain in float32.

    Raises:
        InputError: No convolution would be converted.
    """
    import onnx
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    graph = onnx.load(source).graph
    nodes = graph.node
    chosen = _converted(nodes, tuple(f"{_TRUNK}.{part}" for part in float_parts))
    convolutions = [node for node in nodes if node.op_type == "Conv" and _is_inside(node, ("network",))]
    converted = sum(node.op_type == "Conv" for node in chosen)
    if not converted:
        raise InputError("precision: no convolution of this network can be converted to int8; use float16 or float32")
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    depthwise = {node.input[1] for node in chosen if node.op_type == "Conv" and _is_depthwise(node, shapes)}
    eight_bits = {"axis": 0, "quant_type": QuantType.QInt8, "reduce_range": False}
    with quiet():
        quantize_static(
            source,
            output,
            _Reader(images),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_quantize=[node.name for node in chosen],
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={"TensorQuantOverrides": {name: [eight_bits] * shapes[name][0] for name in depthwise}},
        )
    return Quantized(converted, len(convolutions))


class _Reader:
    """Images in the form that ONNX Runtime's calibration reads."""

    def __init__(self, images: Iterator[np.ndarray]) -> None:
        self._images = images

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next input by name; None after the last one."""
        image = next(self._images, None)
        return None if image is None else {INPUT: image}


def _converted(nodes: Iterable[Any], left_out: Sequence[str]) -> list[Any]:
    """Return the nodes of the trunk to convert: convolutions, and operations whose inputs are all converted."""
    chosen: list[Any] = []
    tensors: set[str] = set()
    for node in nodes:  # in the order of computation
        if node.op_type not in _OPERATIONS or not _is_inside(node, (_TRUNK,)) or _is_inside(node, left_out):
            continue
        inputs = node.input if node.op_type in _JOINING else node.input[:1]  # the others are sizes and limits
        if node.op_type == "Conv" or tensors.issuperset(inputs):
            chosen.append(node)
            tensors.update(node.output)
    return chosen


def _is_depthwise(node: Any, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Return whether a convolution filters each channel separately."""
    groups = next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)
    return groups > 1 and shapes.get(node.input[1], ())[:2] == (groups, 1)


def _is_inside(node: Any, parts: Sequence[str]) -> bool:
    """Return whether a node of the graph comes from one of the named modules."""
    scopes = next((entry.value for entry in node.metadata_props if entry.key == _SCOPES), "[]")
    return any(scope == part or scope.startswith(f"{part}.") for scope in ast.literal_eval(scopes) for part in parts)
