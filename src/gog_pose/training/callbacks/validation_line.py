"""Log line per validation: epoch, metrics, loss, best AP so far and elapsed time."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.trainer.states import TrainerFn

from gog_pose.evaluation.coco import CROWD_METRICS
from gog_pose.system.progress import clock

_log = logging.getLogger(__name__)
_METRICS = ("AP", "AP50", "AP_M", "AP_L", *CROWD_METRICS)  # columns, where the data set has the metric


class ValidationLine(pl.Callback):
    """Logs a table row after each validation during training, and the table header before the first row."""

    def __init__(self) -> None:
        self._started = 0.0
        self._names: Sequence[str] = ()
        self._best = float("-inf")

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._started = time.monotonic()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the row."""
        if trainer.sanity_checking or trainer.state.fn != TrainerFn.FITTING or not trainer.is_global_zero:
            return
        values = {name.removeprefix("val/"): float(value) for name, value in trainer.callback_metrics.items()}
        names = [name for name in _METRICS if name in values]
        if names != self._names:
            self._names = names
            _log.info("%s", "".join(["epoch", *(f"{name:>8}" for name in names), "      loss    best      time"]))
        self._best = max(self._best, values.get("AP", self._best), _best_of_checkpoints(trainer))
        metrics = "".join(f"{values[name]:8.3f}" for name in names)
        elapsed = clock(time.monotonic() - self._started)
        loss = values.get("loss", float("nan"))
        _log.info("%5d%s%10.4g%8.3f%10s", trainer.current_epoch, metrics, loss, self._best, elapsed)


def _best_of_checkpoints(trainer: pl.Trainer) -> float:
    """Return the best AP of the checkpoint callbacks, which a resumed run restores."""
    scores = (
        callback.best_model_score
        for callback in trainer.checkpoint_callbacks
        if isinstance(callback, ModelCheckpoint) and callback.monitor == "val/AP"
    )
    return max((float(score) for score in scores if score is not None), default=float("-inf"))
