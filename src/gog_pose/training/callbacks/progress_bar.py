"""Progress bar of training: the current epoch or validation in one line of 80 columns."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ProgressBar

from gog_pose.system.progress import ProgressLine


class TrainingProgress(ProgressBar):
    """Shows the steps of the epoch, or the batches of the validation, and the loss.

    In a terminal the bar disappears when its epoch ends, so that only the lines of ``ValidationLine`` remain. In a log
    file there is at most one line per minute. Only the first process shows the progress.
    """

    def __init__(self) -> None:
        super().__init__()
        self._line: ProgressLine | None = None
        self._enabled = True

    def disable(self) -> None:
        """Hide the progress; Lightning calls this in all processes except the first."""
        self._enabled = False

    def enable(self) -> None:
        """Show the progress again."""
        self._enabled = True

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Show the number of the step and its loss."""
        loss = trainer.callback_metrics.get("train/loss")
        note = "" if loss is None else f"loss {float(loss):.4g}"
        self._show(f"epoch {trainer.current_epoch}", batch_idx + 1, self.total_train_batches, note)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Remove the bar of the epoch."""
        self._end()

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Remove the bar of the epoch."""
        self._end()

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Show the number of the batch."""
        if not trainer.sanity_checking:
            self._show("validation", batch_idx + 1, trainer.num_val_batches[0])

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Remove the bar of the validation."""
        self._end()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Remove the bar from the terminal."""
        self._end()

    def _show(self, title: str, done: int, total: int | float, note: str = "") -> None:
        if not self._enabled:
            return
        if self._line is None:
            self._line = ProgressLine(title, None if total == float("inf") else int(total), transient=True)
        self._line.update(done, note)

    def _end(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None
