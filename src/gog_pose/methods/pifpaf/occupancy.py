"""Pixels that keypoints occupy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

_FIRST = 128  # places that are looked at together, at first


class Occupancy:
    """Squares of each keypoint type, numbered.

    Args:
        num_types: K.
        image_size: ``(H, W)`` px of the input image.
    """

    def __init__(self, num_types: int, image_size: tuple[int, int]) -> None:
        self._holder = np.zeros((num_types, *image_size), dtype=np.int32)  # memory that is not touched costs nothing
        self._flat = self._holder.reshape(-1).data  # much faster than NumPy for single pixels
        self._last = np.array([[image_size[1] - 1], [image_size[0] - 1]])

    def places(self, types: np.ndarray, xy: np.ndarray) -> np.ndarray:
        """Return the ``(M,)`` flat pixels nearest to ``(2, M)`` places; beyond the image those at its edge."""
        x, y = self._pixels(xy)
        _, height, width = self._holder.shape
        return np.asarray((types * height + y) * width + x)

    def holders(self, places: np.ndarray) -> np.ndarray:
        """Return the ``(M,)`` numbers of what occupies flat pixels; 0 = nothing."""
        return np.asarray(self._holder.ravel()[places])

    def is_free(self, place: int) -> bool:
        """Return whether nothing occupies a flat pixel."""
        return not self._flat[place]

    def occupy(self, types: np.ndarray, xy: np.ndarray, radii: np.ndarray, number: int = 1) -> None:
        """Occupy the squares around places ``(2, M)``, px; each has one pixel or more."""
        for kind, *box in self._boxes(types, xy, radii):
            self._fill(kind, box, number)

    def occupy_in_turn(
        self, types: np.ndarray, xy: np.ndarray, radii: Callable[[np.ndarray, np.ndarray], np.ndarray]
    ) -> np.ndarray:
        """Occupy the squares around those places that are free when it is their turn, with the numbers 1, 2, ...

        Args:
            types: ``(M,)``.
            xy: ``(2, M)`` px.
            radii: Gives half the sides of the squares at places, px.

        Returns:
            The ``(N,)`` indices of the places that were free.
        """
        places = self.places(types, xy)
        kept: list[int] = []
        start, count = 0, _FIRST
        while start < len(places):  # few of the later places are free: their squares need not be known
            some = start + np.flatnonzero(self.holders(places[start : start + count]) == 0)
            boxes = self._boxes(types[some], xy[:, some], radii(types[some], xy[:, some]))
            for index, place, (kind, *box) in zip(some.tolist(), places[some].tolist(), boxes, strict=True):
                if not self._flat[place]:
                    kept.append(index)
                    self._fill(kind, box, len(kept))
            start, count = start + count, 2 * count
        return np.array(kept, dtype=np.intp)

    def _boxes(self, types: np.ndarray, xy: np.ndarray, radii: np.ndarray) -> list[list[int]]:
        """Return type, first column and row, and last column and row of squares."""
        low = self._pixels(xy - radii)
        high = np.maximum(self._pixels(xy + radii), low)
        boxes: list[list[int]] = np.concatenate([types[None], low, high]).T.tolist()
        return boxes

    def _fill(self, kind: int, box: list[int], number: int) -> None:
        x0, y0, x1, y1 = box
        self._holder[kind, y0 : y1 + 1, x0 : x1 + 1] = number

    def _pixels(self, xy: np.ndarray) -> np.ndarray:
        return np.clip(np.round(xy), 0, self._last).astype(np.intp)
