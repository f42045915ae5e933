"""Atomic writing of checkpoints: if a process is killed while saving, the last complete checkpoint remains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytorch_lightning.plugins.io import TorchCheckpointIO

from gog_pose.checkpoints.writing import save_whole


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes to a temporary file in the same folder and renames it when it is complete.

    Lightning's class writes to the system's folder for temporary files and moves the file. If that folder is on another
    disk, moving means copying, which overwrites the last checkpoint in the process.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Write a checkpoint to a local path.

        Raises:
            InputError: The file cannot be written; an existing file is unchanged.
        """
        save_whole(checkpoint, Path(path))
