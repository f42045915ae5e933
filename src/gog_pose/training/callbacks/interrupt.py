"""A checkpoint when the user interrupts training."""

from __future__ import annotations

import signal
from pathlib import Path
from types import FrameType
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint


class InterruptCheckpoint(Checkpoint):
    """Saves a checkpoint on Ctrl+C (SIGINT) and ends training.

    It waits for the step or the validation under way: in the middle of a step some weights are new and some are old,
    and devices that stop at different steps wait for each other for ever. After the last step of an epoch it waits for
    the epoch's end, its validation included, which a run that goes on from here would leave out. A second Ctrl+C ends
    at once, and saves nothing. A ``Checkpoint``, so that Lightning calls it after the callbacks whose state it saves.

    Args:
        path: The file; ``resume=<path>`` goes on from it.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._interrupted = False
        self._handler: Any = signal.default_int_handler

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take Ctrl+C over."""
        self._interrupted = False
        self._handler = signal.signal(signal.SIGINT, self._note)

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """End if any device was interrupted, unless the epoch ends anyway."""
        if not trainer.is_last_batch:
            self._end_if_interrupted(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """End if any device was interrupted during a validation in the middle of an epoch."""
        if trainer.state.fn == "fit" and not (trainer.sanity_checking or trainer.is_last_batch):
            self._end_if_interrupted(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """End if any device was interrupted."""
        self._end_if_interrupted(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Give Ctrl+C back."""
        signal.signal(signal.SIGINT, self._handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._interrupted = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def _end_if_interrupted(self, trainer: pl.Trainer) -> None:
        if trainer.strategy.reduce_boolean_decision(self._interrupted, all=False):
            trainer.save_checkpoint(self.path)
            raise KeyboardInterrupt
