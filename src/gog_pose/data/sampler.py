"""The order of training crops.

It depends on the seed and the epoch alone, not on earlier steps, so that a resumed run continues with the crops that
it has missed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sized
from typing import NamedTuple, cast

import numpy as np
from torch.utils.data import Dataset
from torch.utils.data.distributed import DistributedSampler


class CropKey(NamedTuple):
    """Identifies a training crop: all its random choices follow from the seed and these numbers.

    Attributes:
        epoch: Number of earlier passes over the data set.
        item: Index of the image in the data set.
    """

    epoch: int
    item: int

    def random(self, seed: int) -> np.random.Generator:
        """Return the generator of all random choices of the crop."""
        return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=self))


class CropSampler(DistributedSampler[CropKey]):
    """Shuffles a data set in each epoch and distributes the crops of each step over the devices.

    A step has the same crops for any number of devices and loading processes. The crops at the end of an epoch that do
    not fill a step are left out. It is a ``DistributedSampler`` because Lightning then sets its epoch and does not
    replace it.

    Args:
        data: The data set.
        batch_size: Crops per step over all devices.
        num_devices: Number of devices.
        device: Index of this device.
        seed: Seed of the order.
        epoch: First epoch.
        crops: Number of crops of the first epoch that were used before, over all devices.
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
        super().__init__(cast("Dataset[CropKey]", data), num_devices, device, seed=seed)
        self._num_images = len(data)
        self._num_crops = len(data) // batch_size * batch_size
        self._begun = (epoch, crops)
        self.set_epoch(epoch)

    def __len__(self) -> int:
        """Return the number of crops of a whole epoch on this device."""
        return self._num_crops // self.num_replicas

    def __iter__(self) -> Iterator[CropKey]:
        random = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(self.epoch,)))
        order = random.permutation(self._num_images)[: self._num_crops]
        epoch, crops = self._begun
        missing = order[crops if self.epoch == epoch else 0 :]
        return (CropKey(self.epoch, int(item)) for item in missing[self.rank :: self.num_replicas])
