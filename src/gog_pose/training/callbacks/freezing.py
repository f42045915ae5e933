"""A trunk that is not trained, or whose batch statistics stay as they are."""

from __future__ import annotations

import pytorch_lightning as pl
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from gog_pose.errors import InputError
from gog_pose.training.module import PoseModule

PARTS = ("trunk", "norms")


class Freeze(pl.Callback):
    """Freezes the trunk, or the running statistics of its batch normalization.

    Args:
        part: ``trunk``: no weight of the trunk is trained, and it runs as in evaluation. ``norms``: its weights are
            trained, its normalization uses the running statistics that it started with.

    Raises:
        InputError: There is no such part.
    """

    def __init__(self, part: str) -> None:
        if part not in PARTS:
            raise InputError(f"callbacks.freeze.part: {part!r} is unknown; choose {' or '.join(PARTS)}")
        self._part = part

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Take the weights of a frozen trunk out of training, before the optimizer is built."""
        if self._part == "trunk":
            _trunk(pl_module).requires_grad_(False)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Set the frozen modules to evaluation; Lightning keeps that over validations within the epoch."""
        trunk = _trunk(pl_module)
        if self._part == "trunk":
            trunk.eval()
        else:
            for module in trunk.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()


def _trunk(pl_module: pl.LightningModule) -> torch.nn.Module:
    assert isinstance(pl_module, PoseModule)
    return pl_module.network.get_submodule("trunk")
