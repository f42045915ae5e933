"""Export to a file that is compared with PyTorch before it gets its final name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F

from gog_pose.errors import InputError
from gog_pose.export.deployable import Deployable
from gog_pose.export.files import read_torch, require, write_onnx, write_torch
from gog_pose.export.quantization import Quantized, prepared, quantize
from gog_pose.export.runtime import OnnxNetwork
from gog_pose.methods.method import Difference
from gog_pose.system.files import replaced

FORMATS = ("onnx", "torch")
PRECISIONS = ("float32", "float16", "int8")
_BLOBS = 32  # px, cell size of the coarse noise in the test images
_TOLERANCE = 0.01  # px
# Accepted share of unmatched candidates: rounding moves the maximum of a flat surface by more than the tolerance.
_UNMATCHED = 0.01
_MISSING = 0.5  # accepted share of missing candidates in files of reduced precision, whose tolerance is one cell
_FEW = 10  # missing candidates that are always accepted in files of reduced precision
_CHECKED = 8  # photographs of the calibration on which an int8 file is compared


class Checked(NamedTuple):
    """The result of an export.

    Attributes:
        difference: Difference between the file and PyTorch in float32.
        tolerance: Largest distance of matched candidates, px.
        quantized: The convolutions of an int8 file; None for other files.
    """

    difference: Difference
    tolerance: float
    quantized: Quantized | None = None


def write_checked(
    deployable: Deployable,
    output: Path,
    kind: str,
    *,
    precision: str = "float32",
    photographs: Sequence[Path] = (),
) -> Checked:
    """Write a file and compare it with PyTorch; it gets its final name only if both agree.

    Args:
        deployable: The module to export.
        output: The file.
        kind: One of ``FORMATS``.
        precision: One of ``PRECISIONS``; all but ``float32`` need ``kind="onnx"``.
        photographs: Images for the calibration of int8.

    Raises:
        InputError: A required package is missing, or the candidates of the file differ from those of PyTorch.
    """
    if kind == "onnx":
        require("onnx", "onnxscript", "onnxruntime")
    exact = precision == "float32"
    tolerance = _TOLERANCE if exact else float(deployable.decoder.stride)
    quantized: Quantized | None = None
    images: Iterable[torch.Tensor] = _noise(deployable.network.max_stride)
    with replaced(output) as part:
        if kind == "onnx":
            if precision == "int8":
                quantized = _write_int8(deployable, part, photographs)
                images = map(torch.from_numpy, prepared(deployable, photographs[:_CHECKED]))
            else:
                write_onnx(deployable if exact else deployable.halved(), part, precision)
            network = OnnxNetwork(part)
            difference = worst_case(deployable, lambda images: network(images)[-1], images, tolerance)
        else:
            write_torch(deployable, part)
            module = read_torch(part)
            record = deployable.export.host.record
            difference = worst_case(deployable, lambda images: record(*module(images)), images, tolerance)
        if exact and difference.unmatched > _UNMATCHED * difference.total:
            raise InputError(
                f"output: {difference.unmatched} of {difference.total} candidates of the file differ from PyTorch's;"
                f" {output} was not written; export another format"
            )
        if not exact and difference.missing > max(_FEW, _MISSING * difference.total):
            raise InputError(
                f"output: in {precision} the file misses {difference.missing} of {difference.total} candidates;"
                f" {output} was not written; use precision=float32"
            )
    return Checked(difference, tolerance, quantized)


@torch.no_grad()
def worst_case(
    deployable: Deployable, run: Callable[[torch.Tensor], Any], images: Iterable[torch.Tensor], tolerance: float
) -> Difference:
    """Compare the candidates of a file with those of the decoder in PyTorch.

    Args:
        deployable: The exported module.
        run: Runs the file; converts pixels to the record of the method's export.
        images: Batches of ``(B, H, W, 3)`` uint8 inputs.
        tolerance: Largest distance of matched candidates, px.

    Returns:
        Counts summed over the batches, and the largest differences.
    """
    parts = [
        deployable.export.compare(deployable.decoder, deployable.maps(batch), run(batch), tolerance) for batch in images
    ]
    largest = {name: max(part.largest[name] for part in parts) for name in parts[0].largest}
    total, unmatched, missing = (
        sum(getattr(part, count) for part in parts) for count in ("total", "unmatched", "missing")
    )
    return Difference(total, unmatched, missing, largest)


def _write_int8(deployable: Deployable, path: Path, photographs: Sequence[Path]) -> Quantized:
    """Write an int8 file from a temporary float32 file."""
    with TemporaryDirectory() as folder:
        exact = Path(folder, "float32.onnx")
        write_onnx(deployable, exact, "int8")
        float_parts = getattr(deployable.network.trunk, "float_parts", ())
        return quantize(exact, path, prepared(deployable, photographs), float_parts)


def _noise(multiple: int) -> Iterator[torch.Tensor]:
    """Yield batches of ``(B, H, W, 3)`` uint8 images of coarse noise, of other sizes than the example of the export."""
    random = torch.Generator().manual_seed(0)
    for batch, rows, columns in ((1, 3, 2), (3, 2, 4)):
        height, width = rows * multiple, columns * multiple
        coarse = torch.rand(batch, 3, -(-height // _BLOBS) + 1, -(-width // _BLOBS) + 1, generator=random)
        smooth = F.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
        yield (255 * smooth).round().byte().permute(0, 2, 3, 1).contiguous()
