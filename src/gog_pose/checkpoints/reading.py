"""Safe reading of files of ``torch.save``, without running code in them."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from gog_pose.errors import InputError
from gog_pose.system.options import shown

# Errors that torch.load raises for truncated or modified files and for files of another format.
_DAMAGED = (
    RuntimeError, EOFError, OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, AssertionError,
    OverflowError, MemoryError, zipfile.BadZipFile,
)  # fmt: skip


def read_torch_file(path: str | Path, field: str) -> Any:
    """Read a file of ``torch.save`` without running code in it.

    Args:
        path: The file.
        field: Option that names the file, for messages.

    Raises:
        InputError: The file is missing, has another format, or needs code to load.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                    raise InputError(f"{path}: is compressed, unlike files of torch.save; check {field}")
        return torch.load(path, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file; check {field}") from None
    except pickle.UnpicklingError:
        raise InputError(
            f"{path}: is not a file of torch.save, or contains objects whose loading would run code; check {field}"
        ) from None
    except _DAMAGED as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{path}: is not a file of torch.save that can be read safely ({reason}); check {field}"
        ) from None


def require_sound(tensors: Any, path: str | Path) -> None:
    """Check that weights are dense tensors of finite real numbers, all of which are stored in the file.

    Args:
        tensors: The weights by name.
        path: The file, for messages.

    Raises:
        InputError: An entry is not a tensor, or its numbers are sparse, repeated, quantized, complex or not finite.
    """
    if not isinstance(tensors, Mapping):
        raise InputError(f"{path}: state_dict: must contain tensors by name; the file is damaged")
    for name, tensor in tensors.items():
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
            raise InputError(f"{path}: state_dict: {shown(name)} must be the name of a tensor; the file is damaged")
        if tensor.is_complex() or not _is_dense(tensor):
            raise InputError(f"{path}: {name}: must be a dense tensor of real numbers; the file is damaged")
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise InputError(f"{path}: {name}: contains values that are not finite; give an earlier checkpoint")


def _is_dense(tensor: torch.Tensor) -> bool:
    """Return whether all numbers of a tensor are stored in the file: none is omitted, quantized or repeated."""
    if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
        return False
    repeated = any(step == 0 and size > 1 for step, size in zip(tensor.stride(), tensor.shape, strict=True))
    return not repeated and tensor.nbytes <= tensor.untyped_storage().nbytes()
