"""Atomic writing of files of ``torch.save``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from gog_pose.system.files import made_folder, replaced


def save_whole(content: Any, path: Path) -> None:
    """Write a file of ``torch.save``; missing folders are created.

    PyTorch writes to an open file, because with a path it reports a full disk as an unexpected file position.

    Raises:
        InputError: The file cannot be written.
    """
    made_folder(path.parent, "checkpoint")
    with replaced(path) as part, part.open("wb") as file:
        torch.save(content, file)
