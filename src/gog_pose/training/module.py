"""LightningModule that connects network, loss, decoder, optimizer and schedule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from gog_pose.checkpoints.description import KEY, describe, require_same_kind
from gog_pose.data.samples import EvaluationSample, PoseBatch
from gog_pose.errors import InputError
from gog_pose.imaging.letterbox import grouped
from gog_pose.imaging.preprocessing import Preprocessing
from gog_pose.maps.records import images_of, stacked
from gog_pose.methods import method_of
from gog_pose.methods.losses import LossTerms
from gog_pose.methods.method import Decoder, Maps
from gog_pose.networks import PoseNetwork
from gog_pose.system.options import NotNegative
from gog_pose.training.finite import require_finite
from gog_pose.training.groups import build_optimizer


class PoseModule(pl.LightningModule):
    """Trains a pose network, and predicts the maps of validation images.

    Args:
        network: Predicts maps from images.
        loss: Computes the loss from maps and targets.
        decoder: Converts maps to poses in callbacks; checkpoints store its options.
        preprocessing: Conversion of images to network inputs; stored in checkpoints.
        optimizer: Builds the optimizer from parameters or parameter groups.
        schedule: Builds the learning-rate schedule, in steps, from the optimizer and the number of steps.
        trunk_rate: Factor on the learning rate of the trunk.

    Raises:
        InputError: Method or stride of the parts differ.
    """

    def __init__(
        self,
        network: PoseNetwork,
        loss: torch.nn.Module,
        decoder: Decoder,
        preprocessing: Preprocessing,
        optimizer: Callable[[Any], Optimizer],
        schedule: Callable[[Optimizer, int], LRScheduler],
        trunk_rate: NotNegative = 1.0,
    ) -> None:
        super().__init__()
        for name, part in (("loss", loss), ("decoder", decoder)):
            if method_of(part) != network.method:
                raise InputError(
                    f"method.{name}: belongs to method {method_of(part)}, but the heads belong to {network.method};"
                    f" set method={network.method}"
                )
        if decoder.stride != network.stride:
            raise InputError(
                f"method.decoder.stride: {decoder.stride} differs from the trunk's stride {network.stride}; make them"
                " equal"
            )
        # The layout of the weights defines that of all activations. In half precision, channels_last is a tenth faster
        # on CPUs and gains more on GPUs.
        self.network: PoseNetwork = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.loss = loss
        self.decoder = decoder
        self.preprocessing = preprocessing
        self._optimizer = optimizer
        self._schedule = schedule
        self._trunk_rate = trunk_rate

    def setup(self, stage: str) -> None:
        """Check that the targets match the maps.

        Raises:
            InputError: The method or stride of the encoder differs from the network's.
        """
        encoder = self.trainer.datamodule.encoder  # type: ignore[attr-defined]
        if method_of(encoder) != self.network.method or encoder.stride != self.network.stride:
            raise InputError(
                f"method.encoder: belongs to method {method_of(encoder)} with stride {encoder.stride}, but the network"
                f" to {self.network.method} with stride {self.network.stride}; make them equal"
            )

    def forward(self, images: torch.Tensor) -> list[Maps]:
        """Predict the maps of each stack for ``(B, 3, H, W)`` images."""
        stacks: list[Maps] = self.network(images)
        return stacks

    def training_step(self, batch: PoseBatch, batch_idx: int) -> torch.Tensor:
        """Return the loss of a batch of crops.

        Raises:
            InputError: The loss is not finite.
        """
        terms: LossTerms = self.loss(self(batch.images), batch.targets)
        require_finite(terms, batch.image_ids)
        self._log("train", terms, len(batch.images))
        return terms.total

    def validation_step(  # type: ignore[override]  # Lightning passes the list to callbacks unchanged
        self, batch: list[EvaluationSample], batch_idx: int
    ) -> list[Maps]:
        """Return the maps of the last stack for each image, with batch size 1."""
        predicted: list[Maps] = [None] * len(batch)
        for places in grouped([sample.image.shape for sample in batch]):
            stacks = self(torch.stack([batch[place].image for place in places]))
            targets: list[Any] = [batch[place].targets for place in places]  # rendered on the device
            self._log("val", self.loss(stacks, stacked(targets)), len(places))
            for row, place in enumerate(places):
                predicted[place] = images_of(stacks[-1], slice(row, row + 1))
        return predicted

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Build the optimizer and its schedule, which is updated in every step."""
        optimizer = build_optimizer(self.network, self._optimizer, self._trunk_rate)
        schedule = self._schedule(optimizer, int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the description from which ``PoseEstimator.from_checkpoint`` builds network, decoder, preprocessing."""
        checkpoint[KEY] = describe(self.network, self.decoder, self.preprocessing)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Raise an error if the checkpoint is of another kind of network, before its tensors are compared."""
        require_same_kind(checkpoint, self.network)

    def _log(self, split: str, terms: LossTerms, num_images: int) -> None:
        training = split == "train"
        kwargs: dict[str, Any] = {"batch_size": num_images, "on_epoch": not training, "sync_dist": not training}
        self.log(f"{split}/loss", terms.total, prog_bar=True, **kwargs)
        for name, part in terms.parts.items():
            for stack, value in enumerate(part):
                self.log(f"{split}/{name}_{stack}", value, prog_bar=training and stack == 0, **kwargs)
