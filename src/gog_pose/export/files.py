"""Writing of exported files, as ONNX or in the format of ``torch.export``."""

from __future__ import annotations

import importlib.util
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.export import Dim, ExportedProgram

from gog_pose.errors import InputError
from gog_pose.export.deployable import Deployable
from gog_pose.runtime.file import INPUT, KEY

_EXTRA = f"{KEY}.json"  # the description in a torch file


def write_onnx(deployable: Deployable, path: Path, precision: str = "float32") -> None:
    """Write an ONNX file whose metadata ``gog_pose`` is the description as JSON.

    Args:
        deployable: The module to export.
        path: The file.
        precision: Precision stated in the description. The module itself determines the precision of the computation.

    Raises:
        InputError: A required package is missing.
    """
    require("onnx", "onnxscript")
    program = _capture(deployable)
    with quiet():
        onnx_program = torch.onnx.export(
            program,
            dynamo=True,
            input_names=[INPUT],
            output_names=list(deployable.outputs),
            verbose=False,
        )
    assert onnx_program is not None
    onnx_program.model.metadata_props[KEY] = json.dumps({**deployable.description(), "precision": precision})
    onnx_program.save(str(path))


def write_torch(deployable: Deployable, path: Path) -> None:
    """Write a file for ``torch.export.load``; its extra file ``gog_pose.json`` is the description.

    The sides of its input images must be at least twice ``max_stride``.
    """
    program = _capture(deployable)
    with quiet(), path.open("wb") as file:
        torch.export.save(program, file, extra_files={_EXTRA: json.dumps(deployable.description())})


def read_torch(path: Path) -> torch.nn.Module:
    """Return the module of a file that ``write_torch`` wrote."""
    with quiet(), path.open("rb") as file:
        return torch.export.load(file).module()


def require(*packages: str) -> None:
    """Check that packages of the extra ``export`` are installed.

    Raises:
        InputError: A package is missing.
    """
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        raise InputError(f"export: needs {' and '.join(missing)}; install it by: pip install 'gog-pose[export]'")


def _capture(deployable: Deployable) -> ExportedProgram:
    """Trace the module for batches and images of any size that the network supports.

    Sides of exactly one ``max_stride`` are excluded: they are one cell at the innermost level, for which PyTorch uses
    another memory layout, so that one traced program cannot support both. ONNX has no memory layouts, so an ONNX file
    also supports these sides.
    """
    multiple = deployable.network.max_stride
    example = torch.zeros(2, 2 * multiple, 3 * multiple, 3, dtype=torch.uint8)
    sides = {axis: multiple * Dim(name, min=2) for axis, name in ((1, "rows"), (2, "columns"))}
    with quiet(), torch.no_grad():
        return torch.export.export(deployable, (example,), dynamic_shapes={INPUT: {0: Dim("batch", min=1), **sides}})


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress messages of PyTorch and ONNX Runtime that users cannot act on."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
