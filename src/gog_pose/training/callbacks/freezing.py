"""Freezing of parts of a network and of the trunk's batch statistics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytorch_lightning as pl
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from gog_pose.errors import InputError
from gog_pose.networks.stored_features import StoredFeatures
from gog_pose.training.module import PoseModule


class Freeze(pl.Callback):
    """Freezes parts of the network, or the running statistics of the trunk's batch normalization.

    Args:
        part: One name or a list of names. ``trunk``: no weight of the trunk is trained, and the trunk runs in
            evaluation mode. ``neck``, ``heads`` or a branch such as ``heads.offset`` freeze this part like ``trunk``.
            ``norms``: the weights are trained, but the trunk's batch normalization uses its initial running
            statistics. Other names are modules of the trunk, such as ``stem``.
        store: Folder for the frozen trunk's features of training crops, so that further trainings on the same crops
            need not compute them (``StoredFeatures``); None = compute them in each step.

    Raises:
        InputError: ``store`` is given, but the trunk is not frozen as a whole.
    """

    def __init__(self, part: str | Sequence[str], store: str | None = None) -> None:
        self._parts = [part] if isinstance(part, str) else list(part)
        self._store = store
        if store is not None and "trunk" not in self._parts:
            raise InputError(
                "callbacks.freeze.store: can only store features of a frozen trunk; set callbacks.freeze.part=trunk"
            )

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Exclude frozen weights from training, before the optimizer is built.

        Raises:
            InputError: The network has no such part.
        """
        for module in self._frozen(pl_module):
            module.requires_grad_(False)
        if self._store is not None:
            assert isinstance(pl_module, PoseModule)
            pl_module.network.stored_features = StoredFeatures(_trunk(pl_module), self._store)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Set the frozen modules to evaluation mode; Lightning keeps the mode across validations within the epoch."""
        for module in self._frozen(pl_module):
            module.eval()
        if "norms" in self._parts:
            for module in _trunk(pl_module).modules():
                if isinstance(module, _BatchNorm):
                    module.eval()

    def _frozen(self, pl_module: pl.LightningModule) -> Iterator[nn.Module]:
        assert isinstance(pl_module, PoseModule)
        network, trunk = pl_module.network, _trunk(pl_module)
        of_network = {"trunk": trunk, "heads": network.heads}
        branches = network.heads.named_children()
        of_network |= {f"heads.{name}": branch for name, branch in branches if branch.state_dict()}
        if network.neck is not None:
            of_network["neck"] = network.get_submodule("neck")
        for part in self._parts:
            if part == "norms":
                continue
            try:
                yield of_network[part] if part in of_network else trunk.get_submodule(part)
            except AttributeError:
                choices = ", ".join([*of_network, *(name for name, _ in trunk.named_children())])
                raise InputError(
                    f"callbacks.freeze.part: {part!r} is not a part of the network; choose norms, {choices}"
                ) from None


def _trunk(pl_module: pl.LightningModule) -> nn.Module:
    assert isinstance(pl_module, PoseModule)
    return pl_module.network.get_submodule("trunk")
