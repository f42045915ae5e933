"""A checkpoint when the user interrupts training."""

from __future__ import annotations

from pathlib import Path

import pytorch_lightning as pl


class InterruptCheckpoint(pl.Callback):
    """Saves a checkpoint on Ctrl+C (SIGINT), in the middle of an epoch or not.

    Lightning's ``OnExceptionCheckpoint`` also saves on errors before training starts, where its own failure
    would hide the error.

    Args:
        path: The file; ``resume=<path>`` goes on from it.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Save if the exception is an interrupt during training."""
        if isinstance(exception, KeyboardInterrupt) and trainer.training:
            trainer.save_checkpoint(self.path)
