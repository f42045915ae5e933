"""Occupancy of pixels by keypoints."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gog_pose.methods.pifpaf.seeds import Seeds

_FIRST = 128  # size of the first batch of seeds


def pixels(xy: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
    """Return the pixels nearest to ``(..., 2, M)`` positions; outside of the image, those at its edge."""
    height, width = image_size
    return np.asarray(np.clip(np.round(xy), 0, [[width - 1], [height - 1]])).astype(np.intp)


def squares(xy: np.ndarray, radii: np.ndarray, image_size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the squares around positions, of at least one pixel.

    Args:
        xy: ``(..., 2, M)`` px.
        radii: ``(..., M)`` half the sides, px.
        image_size: ``(H, W)`` px.

    Returns:
        ``(..., 2, M)`` first and ``(..., 2, M)`` last x, y.
    """
    radii = radii[..., None, :]
    low = pixels(xy - radii, image_size)
    return low, np.maximum(pixels(xy + radii, image_size), low)


class Occupancy:
    """Squares of each keypoint type, numbered.

    Args:
        num_types: K.
        image_size: ``(H, W)`` px of the input image.
        most: Upper bound of the number of squares; it determines the integer type, and small types are faster.

    Attributes:
        count: Number of squares.
    """

    def __init__(self, num_types: int, image_size: tuple[int, int], most: int) -> None:
        self._holder = np.zeros((num_types, *image_size), dtype=np.min_scalar_type(most))
        self._flat = self._holder.reshape(-1).data  # much faster than NumPy for single pixels
        self._image_size = image_size
        self.count = 0

    def places(self, types: np.ndarray, xy: np.ndarray) -> np.ndarray:
        """Return the ``(M,)`` flat pixels nearest to ``(2, M)`` positions; outside of the image, those at its edge."""
        x, y = pixels(xy, self._image_size)
        _, height, width = self._holder.shape
        return np.asarray((types * height + y) * width + x)

    def holders(self, places: np.ndarray) -> np.ndarray:
        """Return the ``(M,)`` numbers of the squares that occupy flat pixels; 0 = none."""
        return np.asarray(self._holder.ravel()[places])

    def occupy_in_turn(self, seeds: Seeds, radii: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
        """Visit seeds in their order; if a seed is free, occupy the square around it with the next number from 1.

        Args:
            seeds: M seeds in any order.
            radii: Returns half the sides of the squares for types and positions, px.

        Returns:
            The ``(N,)`` indices of the seeds that were free, in their order.
        """
        places = self.places(seeds.types, seeds.xy)
        kept: list[int] = []
        waiting, count = np.arange(len(places)), _FIRST
        while len(waiting):  # few seeds stay free until their turn, and the others are never sorted
            values = seeds.values.take(waiting)
            least = np.partition(values, -count)[-count] if count < len(values) else values.min()
            best = waiting[values >= least]
            best = best[seeds.chosen(best).order()]
            types, xy = seeds.types[best], seeds.xy.take(best, axis=1)
            low, high = squares(xy, radii(types, xy), self._image_size)
            boxes = np.concatenate([types[None], low, high + 1]).T.tolist()
            for index, place, (kind, x0, y0, x1, y1) in zip(best.tolist(), places[best].tolist(), boxes, strict=True):
                if not self._flat[place]:
                    kept.append(index)
                    self.count += 1
                    self._holder[kind, y0:y1, x0:x1] = self.count
            waiting = waiting[self.holders(places[waiting]) == 0]  # of the visited ones, none
            count *= 2
        return np.array(kept, dtype=np.intp)
