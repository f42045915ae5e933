"""How fast training is and what it waits for."""

from __future__ import annotations

import time
from typing import Any

import pytorch_lightning as pl
import torch

from gog_pose.data.samples import PoseBatch


class Throughput(pl.Callback):
    """Logs how fast training was over the steps since the trainer logged last.

    - ``speed/images_per_second`` of this device;
    - ``speed/data_wait``: share of the time spent waiting for the next batch; more workers help above a few percent;
    - ``speed/gpu_memory``: GiB of this device's tensors at the peak, where there is a GPU.

    Validation does not count. Steps of a GPU run on after their calls return; the times add up all the same, since a
    device that falls behind holds the next call up.
    """

    def __init__(self) -> None:
        self._since = self._batch_ended = 0.0
        self._waited = 0.0
        self._images = 0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._reset(pl_module)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock again: validation may come in the middle of an epoch."""
        self._reset(pl_module)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: PoseBatch, batch_idx: int
    ) -> None:
        """Count the time since the end of the last step as waiting."""
        self._waited += time.perf_counter() - self._batch_ended

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: PoseBatch, batch_idx: int
    ) -> None:
        """Log when the trainer does."""
        self._images += len(batch.images)
        self._batch_ended = time.perf_counter()
        if (trainer.global_step % trainer.log_every_n_steps) or self._batch_ended <= self._since:  # type: ignore[attr-defined]
            return
        elapsed = self._batch_ended - self._since
        values = {"images_per_second": self._images / elapsed, "data_wait": self._waited / elapsed}
        if pl_module.device.type == "cuda":
            values["gpu_memory"] = torch.cuda.max_memory_allocated(pl_module.device) / 2**30
        for name, value in values.items():
            pl_module.log(f"speed/{name}", value, batch_size=len(batch.images))
        self._reset(pl_module)

    def _reset(self, pl_module: pl.LightningModule) -> None:
        if pl_module.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(pl_module.device)
        self._since = self._batch_ended = time.perf_counter()
        self._waited, self._images = 0.0, 0
