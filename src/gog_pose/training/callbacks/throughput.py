"""Training speed, waiting time for data and GPU memory."""

from __future__ import annotations

import time
from typing import Any

import pytorch_lightning as pl
import torch

from gog_pose.data.samples import PoseBatch


class Throughput(pl.Callback):
    """Logs the training speed over the steps since the last log entry.

    - ``speed/images_per_second``: images per second on this device;
    - ``speed/data_wait``: share of the time spent waiting for the next batch; above a few percent, more workers help;
    - ``speed/gpu_memory``: peak memory of this GPU's tensors, GiB; only on GPUs.

    Validation does not count. GPU steps are asynchronous, but the sum of the times is correct, because a call waits for
    a device that lags behind.
    """

    def __init__(self) -> None:
        self._since = self._batch_ended = 0.0
        self._waited = 0.0
        self._images = 0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._reset(pl_module)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Restart the clock, because there may be validations within an epoch."""
        self._reset(pl_module)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: PoseBatch, batch_idx: int
    ) -> None:
        """Count the time since the end of the last step as waiting time."""
        self._waited += time.perf_counter() - self._batch_ended

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: PoseBatch, batch_idx: int
    ) -> None:
        """Log the values in steps in which the trainer logs."""
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
