"""Exported files that are compared with PyTorch before they are used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from gog_pose.errors import InputError
from gog_pose.export.deployable import Deployable
from gog_pose.export.files import read_torch, require, write_onnx, write_torch
from gog_pose.export.runtime import OnnxNetwork
from gog_pose.methods.method import Difference
from gog_pose.system.files import replaced

FORMATS = ("onnx", "torch")
_BLOBS = 32  # px, size of the coarse noise that images are made of
_UNMATCHED = 0.01  # of all candidates: where a surface is flat, rounding moves its maximum by more than the tolerance


def write_checked(deployable: Deployable, output: Path, kind: str) -> Difference:
    """Write a file, compare it with PyTorch, and only then put it in its place.

    Args:
        deployable: What is exported.
        output: The file.
        kind: One of ``FORMATS``.

    Returns:
        What ``worst_case`` returns.

    Raises:
        InputError: A package that this needs is missing, or the file gives other candidates.
    """
    if kind == "onnx":
        require("onnx", "onnxscript", "onnxruntime")
    with replaced(output) as part:
        if kind == "onnx":
            write_onnx(deployable, part)
            network = OnnxNetwork(part)
            difference = worst_case(deployable, lambda images: network(images)[-1])
        else:
            write_torch(deployable, part)
            module = read_torch(part)
            difference = worst_case(deployable, lambda images: deployable.export.host.record(*module(images)))
        if difference.unmatched > _UNMATCHED * difference.total:
            raise InputError(
                f"output: {difference.unmatched} of {difference.total} candidates of the file differ from PyTorch's;"
                f" {output} was not written; export another format"
            )
    return difference


@torch.no_grad()
def worst_case(deployable: Deployable, run: Callable[[torch.Tensor], Any]) -> Difference:
    """Compare a file with PyTorch, the decoder's own candidates, on coarse noise of several sizes.

    Args:
        deployable: What was exported.
        run: The file: pixels to the record of the method's export.

    Returns:
        Sums of the counts, maxima of all else.
    """
    parts = [
        deployable.export.compare(deployable.decoder, deployable.maps(images), run(images))
        for images in _noise(deployable.network.max_stride)
    ]
    largest = {name: max(part.largest[name] for part in parts) for name in parts[0].largest}
    return Difference(sum(part.total for part in parts), sum(part.unmatched for part in parts), largest)


def _noise(multiple: int) -> Iterator[torch.Tensor]:
    """Yield batches of ``(B, H, W, 3)`` uint8 images; no size is that of the example at the export."""
    random = torch.Generator().manual_seed(0)
    for batch, rows, columns in ((1, 3, 2), (3, 2, 4)):
        height, width = rows * multiple, columns * multiple
        coarse = torch.rand(batch, 3, -(-height // _BLOBS) + 1, -(-width // _BLOBS) + 1, generator=random)
        smooth = F.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
        yield (255 * smooth).round().byte().permute(0, 2, 3, 1).contiguous()
