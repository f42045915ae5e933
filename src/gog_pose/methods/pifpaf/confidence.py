"""High-resolution confidence of keypoints (Sec. 3.2), computed only at requested pixels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gog_pose.maps.ranges import SortedBoxes, counted

_LEAST_SCALE = 1.0  # px; lower limit of scales and of half the sides of windows
REACH = 2.0  # scales from a predicted position to the edge of its window
_FRACTION = 4096.0  # parts of a px; positions and scales that agree to one part are equal
_TILE = 32  # px
_CORE = 0.5  # scales from a predicted position to the edge of the window in which seeds are searched


class Predictions(NamedTuple):
    """Predictions of the cells that respond to a keypoint.

    Attributes:
        types: ``(N,)`` keypoint type.
        xy: ``(2, N)`` float64 positions, px of the input image.
        responses: ``(N,)``.
        scales: ``(N,)`` px of the input image.
    """

    types: np.ndarray
    xy: np.ndarray
    responses: np.ndarray
    scales: np.ndarray


class Confidence:
    """Sums of Gaussians around predicted positions, one per responding cell.

    Args:
        predictions: Predictions of one image.
        num_types: K.
        image_size: ``(H, W)`` px of the input image.
        cells: Number of cells of a keypoint of confidence 1.
        clip: Whether sums above 1 count as 1.
    """

    def __init__(
        self, predictions: Predictions, *, num_types: int, image_size: tuple[int, int], cells: int, clip: bool
    ) -> None:
        self._shape = num_types, *image_size
        self._last = np.array([[image_size[1] - 1], [image_size[0] - 1]])
        self._clip = clip
        self._sorted: dict[float, SortedBoxes] = {}
        self._types, self._xy, responses, scales = _merged(predictions)
        self._parts = responses / cells
        self._scales = np.maximum(scales, _LEAST_SCALE)

    def at(self, types: np.ndarray, xy: np.ndarray) -> np.ndarray:
        """Return the ``(M,)`` confidence at positions; outside of the image, that at its edge.

        Args:
            types: ``(M,)`` keypoint types.
            xy: ``(2, M)`` px of the input image, rounded to the nearest pixel.
        """
        pixels = self._pixels(xy)
        count, places = self._compact(types, pixels)
        first = _firsts(places, count)  # many cells predict one pixel
        one = pixels.take(first, axis=1)
        query, point = self._boxes(REACH).covering(types[first], one)
        sums = np.bincount(query, self._gaussians(one.take(query, axis=1), point), minlength=len(first))
        of_place = np.empty(count)
        of_place[places[first]] = self._limited(sums)
        return np.asarray(of_place[places])

    def scales_at(self, types: np.ndarray, xy: np.ndarray) -> np.ndarray:
        """Return the ``(M,)`` mean of the scales predicted around positions, px; 0 where there are none."""
        query, point = self._boxes(1.0).covering(types, self._pixels(xy))
        parts = self._parts[point]
        total = np.bincount(query, parts, minlength=len(types))
        weighted = np.bincount(query, parts * self._scales[point], minlength=len(types))
        return np.divide(weighted, total, out=np.zeros(len(types)), where=total > 0)

    def cores(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Sum Gaussians that end at half a scale.

        Returns:
            ``(M,)`` types and ``(2, M)`` x, y of the covered pixels, each once, and their ``(M,)`` sums.
        """
        low, high = self._windows(_CORE)
        width, height = high - low + 1
        point, step = counted(width * height)
        row, column = np.divmod(step, width[point])
        pixels = low.take(point, axis=1) + np.stack([column, row])
        types = self._types[point]
        count, places = self._compact(types, pixels)
        sums = np.bincount(places, self._gaussians(pixels, point), minlength=count)
        first = _firsts(places, count)
        return types[first], pixels.take(first, axis=1), self._limited(sums[places[first]])

    def _compact(self, types: np.ndarray, pixels: np.ndarray) -> tuple[int, np.ndarray]:
        """Number pixels, skipping empty tiles of the image, because complete maps would dominate the run time.

        Returns:
            The count of numbers, and the ``(M,)`` number of each pixel; equal pixels of a type have equal numbers.
        """
        kinds, height, width = self._shape
        rows, columns = -(-height // _TILE), -(-width // _TILE)
        (column, row), (x, y) = pixels // _TILE, pixels % _TILE
        tile = (types * rows + row) * columns + column
        used = np.zeros(kinds * rows * columns, dtype=np.intp)
        used[tile] = 1
        return int(used.sum()) * _TILE**2, ((np.cumsum(used) - 1)[tile] * _TILE + y) * _TILE + x

    def _boxes(self, reach: float) -> SortedBoxes:
        """Return the windows around predicted positions, which are sorted only once."""
        if reach not in self._sorted:
            self._sorted[reach] = SortedBoxes(self._types, self._xy[0], *self._windows(reach), self._shape[0])
        return self._sorted[reach]

    def _pixels(self, xy: np.ndarray) -> np.ndarray:
        """Return the pixels of the image nearest to positions."""
        return np.clip(np.round(xy), 0, self._last).astype(np.intp)

    def _windows(self, reach: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the ``(2, N)`` first and last pixels of the windows around predicted positions, at least one each."""
        half = np.maximum(reach * self._scales, _LEAST_SCALE)
        low = self._pixels(self._xy - half)
        return low, np.maximum(np.minimum(np.round(self._xy + half), self._last), low).astype(np.intp)

    def _gaussians(self, pixels: np.ndarray, point: np.ndarray) -> np.ndarray:
        """Return the ``(M,)`` values of the Gaussians of predictions at pixels."""
        (dx, dy), scales = pixels - self._xy.take(point, axis=1), self._scales[point]
        return np.asarray(self._parts[point] * np.exp((dx**2 + dy**2) / (-2 * scales**2)))

    def _limited(self, sums: np.ndarray) -> np.ndarray:
        return np.minimum(sums, 1.0) if self._clip else sums


def _merged(predictions: Predictions) -> Predictions:
    """Sum the responses of cells whose predictions agree up to a negligible fraction of a pixel."""
    types, xy, responses, scales = predictions
    keys = np.round(np.stack([*xy, scales]) * _FRACTION)
    order = np.lexsort((*keys, types))
    keys, types = keys[:, order], types[order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = (keys[:, 1:] != keys[:, :-1]).any(axis=0) | (types[1:] != types[:-1])
    total = np.bincount(np.cumsum(first) - 1, responses[order])
    one = order[first]
    return Predictions(types[first], xy[:, one], total, scales[one])


def _firsts(numbers: np.ndarray, count: int) -> np.ndarray:
    """Return one index of each number that occurs; all numbers are below ``count``."""
    index = np.empty(count, dtype=np.intp)  # read only where it is initialized
    index[numbers] = np.arange(len(numbers))
    return np.flatnonzero(index[numbers] == np.arange(len(numbers)))
