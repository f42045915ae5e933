"""Writing files of ``torch.save``, which are there completely or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from gog_pose.system.files import made_folder, replaced


def save_whole(content: Any, path: Path) -> None:
    """Write a file of ``torch.save``, in a folder that is made if it does not exist.

    PyTorch writes to an open file: given a path, it reports a full disk as a position that it did not expect.

    Raises:
        InputError: The file cannot be written.
    """
    made_folder(path.parent, "checkpoint")
    with replaced(path) as part, part.open("wb") as file:
        torch.save(content, file)
