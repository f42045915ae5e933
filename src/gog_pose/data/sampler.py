"""Which crops are drawn when.

It follows from the seed and the epoch alone, not from what was drawn before: a resumed run draws what it has missed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sized
from typing import NamedTuple, cast

import numpy as np
from torch.utils.data import Dataset
from torch.utils.data.distributed import DistributedSampler


class CropDraw(NamedTuple):
    """One draw of a training crop; everything random about it follows from the seed and these numbers.

    Attributes:
        epoch: Passes over the data set before.
        item: Place of the image in the data set.
    """

    epoch: int
    item: int

    def random(self, seed: int) -> np.random.Generator:
        """Return the source of all that is random about the crop."""
        return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=self))


class CropSampler(DistributedSampler[CropDraw]):
    """Shuffles a data set epoch by epoch and deals each step out to the devices.

    A step sees the same crops however many devices and loading processes there are. What remains of an epoch below a
    whole step is left out. A ``DistributedSampler``, so that Lightning sets the epoch and puts no other in its place.

    Args:
        data: The data set.
        batch_size: Crops a step over all devices.
        num_devices: How many devices there are.
        device: Which of them this is.
        seed: Of the order.
        epoch: The epoch to begin with.
        crops: How many crops of that epoch were drawn before, over all devices.
    """

    def __init__(
        self,
        data: Sized,
        batch_size: int,
        *,
        num_devices: int = 1,
        device: int = 0,
        seed: int = 0,
        epoch: int = 0,
        crops: int = 0,
    ) -> None:
        super().__init__(cast("Dataset[CropDraw]", data), num_devices, device, seed=seed)
        self._num_images = len(data)
        self._num_crops = len(data) // batch_size * batch_size
        self._begun = (epoch, crops)
        self.set_epoch(epoch)

    def __len__(self) -> int:
        """Return the number of crops of a whole epoch on this device."""
        return self._num_crops // self.num_replicas

    def __iter__(self) -> Iterator[CropDraw]:
        random = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(self.epoch,)))
        order = random.permutation(self._num_images)[: self._num_crops]
        epoch, crops = self._begun
        missing = order[crops if self.epoch == epoch else 0 :]
        return (CropDraw(self.epoch, int(item)) for item in missing[self.rank :: self.num_replicas])
