"""Console output without known messages of Lightning and PyTorch."""

from __future__ import annotations

import logging
import warnings

_WARNINGS = (
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",  # PyTorch's warning about a call in Lightning
    r"You're resuming from a checkpoint that ended before",  # supported: the data module restores its position
    r"The 'train_dataloader' does not have many workers",  # the option data.num_workers is documented
    r"The 'val_dataloader' does not have many workers",
    r"The number of training batches \(\d+\) is smaller than the logging interval",
    r".*`lr_scheduler.step\(\)` before `optimizer.step\(\)`",  # the loss scaler may skip the first steps
    r"The dirpath has changed from",  # irrelevant for last.ckpt; BestCheckpoint handles best.ckpt
    r"Checkpoint directory .* exists and is not empty",  # expected if a run is resumed
)
_CHATTY = ("pytorch_lightning", "lightning_fabric", "lightning")  # loggers of device lists, tips and advertising


def without_advice() -> None:
    """Suppress Lightning's advertising and tips, and warnings about intended behavior of this package."""
    for message in _WARNINGS:
        warnings.filterwarnings("ignore", message)
    for name in (*_CHATTY, "pytorch_lightning.utilities.rank_zero", "lightning_fabric.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.WARNING)
