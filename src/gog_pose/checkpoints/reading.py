"""Safe reading of files of ``torch.save``: nothing in them is run."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from gog_pose.errors import InputError
from gog_pose.system.options import shown

# What torch.load raises on files that are cut off, changed, or something else.
_DAMAGED = (
    RuntimeError, EOFError, OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, AssertionError,
    OverflowError, MemoryError, zipfile.BadZipFile,
)  # fmt: skip


def read_torch_file(path: str | Path, field: str) -> Any:
    """Read a file of ``torch.save`` without running code in it.

    Args:
        path: The file.
        field: The option that names it, for messages.

    Raises:
        InputError: The file is missing, not such a file, or needs code to load.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                    raise InputError(f"{path}: refused: compressed, which torch.save never does; check {field}")
        return torch.load(path, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file; check {field}") from None
    except pickle.UnpicklingError:
        raise InputError(
            f"{path}: refused: not a file of torch.save, or one with objects beside tensors, whose loading would run"
            f" code; check {field}"
        ) from None
    except _DAMAGED as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{path}: not a file of torch.save that can be read safely ({reason}); check {field}"
        ) from None


def require_sound(tensors: Any, path: str | Path) -> None:
    """Check that weights are what they seem: tensors of finite numbers, each of which the file holds.

    Args:
        tensors: The weights by name.
        path: The file, for messages.

    Raises:
        InputError: An entry is no tensor, or its numbers are sparse, repeated, quantized, complex or not finite.
    """
    if not isinstance(tensors, Mapping):
        raise InputError(f"{path}: state_dict: must hold tensors by name; the file is damaged")
    for name, tensor in tensors.items():
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
            raise InputError(f"{path}: state_dict: {shown(name)} must be the name of a tensor; the file is damaged")
        if tensor.is_complex() or not _is_dense(tensor):
            raise InputError(f"{path}: {name}: must be a dense tensor of real numbers; the file is damaged")
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise InputError(f"{path}: {name}: holds values that are not finite; give an earlier checkpoint")


def _is_dense(tensor: torch.Tensor) -> bool:
    """Return whether each number of a tensor is one of the file: none is left out, quantized, or used again."""
    if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
        return False
    repeated = any(step == 0 and size > 1 for step, size in zip(tensor.stride(), tensor.shape, strict=True))
    return not repeated and tensor.nbytes <= tensor.untyped_storage().nbytes()
