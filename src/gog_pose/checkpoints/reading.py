"""Safe reading of files of ``torch.save``: nothing in them is run."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from gog_pose.errors import InputError


def read_torch_file(path: str | Path, field: str) -> Any:
    """Read a file of ``torch.save`` without running code in it.

    Args:
        path: The file.
        field: The option that names it, for messages.

    Raises:
        InputError: The file is missing, not such a file, or needs code to load.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file; check {field}") from None
    except pickle.UnpicklingError:
        raise InputError(
            f"{path}: refused: not a file of torch.save, or one with objects beside tensors, whose loading would run"
            f" code; check {field}"
        ) from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{path}: not a file of torch.save that can be read safely ({reason}); check {field}"
        ) from None
