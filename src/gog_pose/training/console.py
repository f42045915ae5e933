"""Console output: what Lightning and PyTorch print about themselves is left out, by name."""

from __future__ import annotations

import logging
import warnings

_WARNINGS = (
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",  # Lightning calls it; PyTorch means Lightning
    r"You're resuming from a checkpoint that ended before",  # ours continue within an epoch: data.state_dict
    r"The 'train_dataloader' does not have many workers",  # the option data.num_workers is documented
    r"The 'val_dataloader' does not have many workers",
    r"The number of training batches \(\d+\) is smaller than the logging interval",
    r".*`lr_scheduler.step\(\)` before `optimizer.step\(\)`",  # the loss scaler skips its first steps
    r"The dirpath has changed from",  # of last.ckpt, whose folder does not matter; best.ckpt is found by BestCheckpoint
    r"Checkpoint directory .* exists and is not empty",  # a resumed run's
)
_CHATTY = ("pytorch_lightning", "lightning_fabric", "lightning")  # loggers: devices, tips, advertising


def without_advice() -> None:
    """Leave out Lightning's advertising, its tips, and warnings about what this package does on purpose."""
    for message in _WARNINGS:
        warnings.filterwarnings("ignore", message)
    for name in (*_CHATTY, "pytorch_lightning.utilities.rank_zero", "lightning_fabric.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.WARNING)
