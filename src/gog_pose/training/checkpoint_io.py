"""How Lightning writes checkpoints: a process that is killed while it saves leaves the last complete one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytorch_lightning.plugins.io import TorchCheckpointIO

from gog_pose.checkpoints.writing import save_whole


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the file and renames when all is on disk.

    Lightning's own writes to the folder for temporary files and moves. Where that is another disk, moving copies, and
    overwrites the last checkpoint while it does.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Write a checkpoint to a local path.

        Raises:
            InputError: It cannot be written; the file that was there is as it was.
        """
        save_whole(checkpoint, Path(path))
