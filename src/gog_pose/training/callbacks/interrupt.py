"""A checkpoint when training is asked to end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.trainer.states import TrainerFn

from gog_pose.system.interrupts import Interrupt, raise_on_termination


class InterruptCheckpoint(Checkpoint):
    """Saves a checkpoint on Ctrl+C (SIGINT) or SIGTERM, which SLURM sends, and ends training.

    It waits for the step or the validation under way: in the middle of a step some weights are new and some are old,
    and devices that stop at different steps wait for each other for ever. After the last step of an epoch it waits for
    the epoch's end, its validation included, which a resumed run would leave out. A second Ctrl+C ends
    at once, and saves nothing. A ``Checkpoint``, so that Lightning calls it after the callbacks whose state it saves.

    Args:
        path: The file; ``resume=<path>`` continues from it.

    Attributes:
        saved: Whether this run has written the file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.saved = False
        self._interrupt = Interrupt()

    def on_sanity_check_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """End at once before training; Lightning's own handler would talk to other devices in the midst of work."""
        raise_on_termination()

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """End at once after training, when the best checkpoint is evaluated."""
        if trainer.state.fn == TrainerFn.VALIDATING:
            raise_on_termination()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the signals over."""
        self._interrupt.__enter__()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """End if any device was interrupted, unless the epoch ends anyway."""
        if not trainer.is_last_batch:
            self._end_if_interrupted(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """End if any device was interrupted during a validation in the middle of an epoch."""
        if trainer.state.fn == TrainerFn.FITTING and not (trainer.sanity_checking or trainer.is_last_batch):
            self._end_if_interrupted(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """End if any device was interrupted."""
        self._end_if_interrupted(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Give the signals back."""
        self._interrupt.__exit__()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Give the signals back."""
        self._interrupt.__exit__()

    def _end_if_interrupted(self, trainer: pl.Trainer) -> None:
        if trainer.strategy.reduce_boolean_decision(self._interrupt.requested, all=False):
            trainer.save_checkpoint(self.path)
            self.saved = True
            raise KeyboardInterrupt
