"""Reference implementations of encoder and decoder, for tests and benchmarks."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import ClassVar

import numpy as np

from gog_pose.errors import InputError
from gog_pose.geometry import image_to_cells
from gog_pose.methods.method import Reference
from gog_pose.methods.pifpaf.confidence import REACH, Confidence
from gog_pose.methods.pifpaf.decoder import PifpafDecoder
from gog_pose.methods.pifpaf.encoder import PifpafEncoder


def encode_plainly(
    encoder: PifpafEncoder, keypoints: np.ndarray, scales: np.ndarray, image_size: tuple[int, int]
) -> tuple[np.ndarray, ...]:
    """Compute the responses of one image by loops over people and cells."""
    stride, skeleton = encoder.stride * encoder.coarser, encoder.skeleton
    height, width = (side // stride for side in image_size)
    heatmaps = np.zeros((skeleton.num_keypoints, height, width), dtype=np.float32)
    limb_heatmaps = np.zeros((skeleton.num_limbs, height, width), dtype=np.float32)
    for person in keypoints.astype(np.float64):
        cells = image_to_cells(person[:, :2], stride)
        for kind in np.flatnonzero(person[:, 2] > 0):
            _fill(heatmaps[kind], cells[kind], encoder.side)
        for limb, (first, second) in enumerate(skeleton.limbs):
            if person[first, 2] > 0 and person[second, 2] > 0:
                length = float(np.linalg.norm(cells[second] - cells[first]))
                count = max(2, int(np.ceil(length)))
                margin = min(0.4, ((encoder.width + 1) / 2) / (length + 1e-7))
                half = (encoder.width - 1) / 2
                start, end = np.round(cells[first] - half), np.round(cells[second] - half)
                for part in np.linspace(margin, 1 - margin, count):
                    _fill(limb_heatmaps[limb], start + part * (end - start) + half, encoder.width)
    return heatmaps, limb_heatmaps


def _fill(heatmap: np.ndarray, center: np.ndarray, side: int) -> None:
    """Set the square of cells around a point to 1."""
    x, y = np.round(np.round(center - (side - 1) / 2, 6)).astype(int)
    heatmap[max(0, y) : max(0, y + side), max(0, x) : max(0, x + side)] = 1


class _WholeMaps(Confidence):
    """Confidence that is computed at every pixel of the image, as in the public program."""

    def at(self, types: np.ndarray, xy: np.ndarray) -> np.ndarray:
        """Return values of the complete maps."""
        column, row = self._pixels(xy)
        return np.asarray(self._limited(self._maps)[types, row, column])

    @cached_property
    def _maps(self) -> np.ndarray:
        """``(K, H, W)`` confidence of all pixels."""
        maps = np.zeros(self._shape)
        rows, columns = np.arange(self._shape[1]), np.arange(self._shape[2])
        (x0, y0), (x1, y1) = self._windows(REACH)
        for point, (kind, x, y) in enumerate(zip(self._types, *self._xy, strict=True)):
            inside = slice(y0[point], y1[point] + 1), slice(x0[point], x1[point] + 1)
            squared = (columns[inside[1]] - x) ** 2 + (rows[inside[0], None] - y) ** 2
            maps[kind][inside] += self._parts[point] * np.exp(squared / (-2 * self._scales[point] ** 2))
        return maps


@dataclass(frozen=True)
class DensePifpafDecoder(PifpafDecoder):
    """``PifpafDecoder`` with complete confidence maps that grows one pose at a time, like the public program."""

    CONFIDENCE: ClassVar[type[Confidence]] = _WholeMaps

    @staticmethod
    def together(squares: np.ndarray) -> np.ndarray:
        """Grow one pose at a time."""
        return np.zeros(1, dtype=np.intp)


def dense(decoder: PifpafDecoder) -> DensePifpafDecoder:
    """Return the form of a decoder that computes complete maps.

    Raises:
        InputError: The decoder has other rules.
    """
    if type(decoder) is not PifpafDecoder:
        raise InputError("method.decoder: has no reference to compare with; use method=pifpaf")
    return DensePifpafDecoder(**{field.name: getattr(decoder, field.name) for field in fields(decoder)})


REFERENCE = Reference(encode_plainly, ("heatmaps", "limb_heatmaps"), dense)
