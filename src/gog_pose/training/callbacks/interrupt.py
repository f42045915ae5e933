"""Checkpoint on interruption."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.trainer.states import TrainerFn

from gog_pose.system.interrupts import Interrupt, raise_on_termination


class InterruptCheckpoint(Checkpoint):
    """Saves a checkpoint on Ctrl+C (SIGINT) or SIGTERM (sent by SLURM), and ends training.

    The current step or validation is completed first: within a step some weights are new and some are old, and all
    devices must stop at the same step, otherwise they would deadlock. After the last step of an epoch, the validation
    of the epoch is completed too, because a resumed run would skip it. A second Ctrl+C ends training immediately
    without a checkpoint. The class is a ``Checkpoint`` so that Lightning calls it after the callbacks whose state it
    saves.

    Args:
        path: File of the checkpoint; ``resume=<path>`` continues from it.

    Attributes:
        saved: True if this run has written the file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.saved = False
        self._interrupt = Interrupt()

    def on_sanity_check_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """End immediately before training; Lightning's handler would communicate with devices at work."""
        raise_on_termination()

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """End immediately after training, while the best checkpoint is evaluated."""
        if trainer.state.fn == TrainerFn.VALIDATING:
            raise_on_termination()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Install the signal handlers."""
        self._interrupt.__enter__()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """End training if any device was interrupted, unless this step is the last of the epoch."""
        if not trainer.is_last_batch:
            self._end_if_interrupted(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """End training if any device was interrupted during a validation within an epoch."""
        if trainer.state.fn == TrainerFn.FITTING and not (trainer.sanity_checking or trainer.is_last_batch):
            self._end_if_interrupted(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """End training if any device was interrupted."""
        self._end_if_interrupted(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Restore the previous signal handlers."""
        self._interrupt.__exit__()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Restore the previous signal handlers."""
        self._interrupt.__exit__()

    def _end_if_interrupted(self, trainer: pl.Trainer) -> None:
        if trainer.strategy.reduce_boolean_decision(self._interrupt.requested, all=False):
            trainer.save_checkpoint(self.path)
            self.saved = True
            raise KeyboardInterrupt
