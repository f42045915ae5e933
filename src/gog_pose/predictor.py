"""Base class of predictors: prediction in batches, independent of the framework that runs the network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import overload

import numpy as np
from PIL import Image

from gog_pose.errors import InputError
from gog_pose.imaging.reading import ImageLike, pixels_of
from gog_pose.poses import Poses


class Predictor(ABC):
    """Finds the people in one image or in a list of images.

    Args:
        batch_size: Largest number of images per batch.

    Raises:
        InputError: The batch size is below 1.
    """

    def __init__(self, batch_size: int) -> None:
        if batch_size < 1:
            raise InputError(f"batch_size: must be 1 or more, got {batch_size}")
        self.batch_size = batch_size

    @overload  # a path is also a sequence (of characters)
    def predict(self, images: ImageLike) -> Poses: ...  # type: ignore[overload-overlap]

    @overload
    def predict(self, images: Sequence[ImageLike]) -> list[Poses]: ...

    def predict(self, images: ImageLike | Sequence[ImageLike]) -> Poses | list[Poses]:
        """Find the people in one image, or in each image of a list.

        Args:
            images: A path, a Pillow image, an ``(H, W, 3)`` uint8 RGB array, or a list of these.

        Returns:
            The people, px of the original image. For a path, this is the image after rotation by its EXIF orientation.
            The poses of an image do not depend on the other images of the list.

        Raises:
            InputError: A file cannot be read, or an array is not an image.
        """
        if isinstance(images, str | Path | Image.Image | np.ndarray):
            return self.predict([images])[0]
        starts = range(0, len(images), self.batch_size)
        batches = ([pixels_of(image) for image in images[start : start + self.batch_size]] for start in starts)
        return [poses for batch in batches for poses in self._predict(batch)]

    @abstractmethod
    def _predict(self, images: Sequence[np.ndarray]) -> list[Poses]:
        """Return the people in each image of a batch, px of the original image."""
