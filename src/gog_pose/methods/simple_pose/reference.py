"""Reference implementations of encoder and decoder, for tests and benchmarks."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from gog_pose.assembly.lines import Read
from gog_pose.errors import InputError
from gog_pose.geometry import cells_to_image, image_to_cells
from gog_pose.maps.surface import Tiles, whole_maps
from gog_pose.methods.method import Reference
from gog_pose.methods.simple_pose.decoder import SimplePoseDecoder
from gog_pose.methods.simple_pose.encoder import SimplePoseEncoder


def encode_plainly(
    encoder: SimplePoseEncoder, keypoints: np.ndarray, scales: np.ndarray, image_size: tuple[int, int]
) -> tuple[np.ndarray, ...]:
    """Compute heatmaps and limb maps of one image by loops over people, each on complete maps.

    Raises:
        InputError: The encoder adds points to those of the skeleton.
    """
    if encoder.body != "skeleton":
        raise InputError("method.encoder: the reference has only body=skeleton; use method.encoder.body=skeleton")
    limbs = encoder.taught.limbs
    rows, columns = (cells_to_image(np.arange(side // encoder.stride), encoder.stride) for side in image_size)
    heatmaps = np.zeros((encoder.skeleton.num_keypoints, len(rows), len(columns)), dtype=np.float32)
    limb_maps = np.zeros((len(limbs), len(rows), len(columns)), dtype=np.float32)

    def lay(target: np.ndarray, response: np.ndarray) -> None:
        response[response < encoder.min_response] = 0
        np.maximum(target, response, out=target)

    for person in keypoints.astype(np.float64):
        for kind, (x, y, visibility) in enumerate(person):
            if visibility > 0:
                squared = (rows[:, None] - y) ** 2 + (columns - x) ** 2
                lay(heatmaps[kind], np.exp(-squared / (2 * encoder.sigma**2)))
        for number, (start, end) in enumerate(limbs):
            (x0, y0), (x1, y1) = person[start, :2], person[end, :2]
            length = np.hypot(x1 - x0, y1 - y0)
            if min(person[start, 2], person[end, 2]) > 0 and length > 0:
                distance = ((rows[:, None] - y0) * (x1 - x0) - (columns - x0) * (y1 - y0)) / length
                box = _within(rows, y0, y1, encoder.stride)[:, None] & _within(columns, x0, x1, encoder.stride)
                lay(limb_maps[number], np.exp(-(distance**2) / (2 * encoder.limb_sigma**2)) * box)
    return heatmaps, limb_maps


def _within(lines: np.ndarray, start: float, end: float, stride: int) -> np.ndarray:
    """Mark the rows or columns that lie between two coordinates, including one stride on each side."""
    low, high = min(start, end) - stride, max(start, end) + stride
    first, last = (np.floor(image_to_cells(side, stride) + 0.5) for side in (low, high))
    return np.asarray((lines >= cells_to_image(first, stride)) & (lines <= cells_to_image(last, stride)))


@dataclass(frozen=True)
class DenseDecoder(SimplePoseDecoder):
    """``SimplePoseDecoder`` that interpolates complete heatmaps and reads all points of all lines."""

    @staticmethod
    def interpolate(maps: np.ndarray, stride: int, threshold: float, interpolation: str) -> Tiles:
        """Interpolate complete heatmaps."""
        return whole_maps(maps, stride, threshold, interpolation)

    def preview(self, maps: np.ndarray) -> Read | None:
        """Return None, so that all points are read."""
        return None


def dense(decoder: SimplePoseDecoder) -> DenseDecoder:
    """Return the dense form of a decoder.

    Raises:
        InputError: The decoder has other rules.
    """
    if type(decoder) is not SimplePoseDecoder:
        raise InputError("method.decoder: has no dense form to compare with; use method=simple_pose")
    return DenseDecoder(**{field.name: getattr(decoder, field.name) for field in fields(decoder)})


REFERENCE = Reference(encode_plainly, ("heatmaps", "limbs"), dense)
