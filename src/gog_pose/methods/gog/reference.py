"""Reference implementations of encoder and decoder, for tests and benchmarks."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np

from gog_pose.errors import InputError
from gog_pose.geometry import cells_to_image, image_to_cells
from gog_pose.maps.surface import Tiles, whole_maps
from gog_pose.methods.gog.decoder import GogDecoder
from gog_pose.methods.gog.encoder import PoseEncoder
from gog_pose.methods.method import Reference
from gog_pose.skeleton import Skeleton


def encode_by_loops(
    keypoints: np.ndarray,
    scales: np.ndarray,
    image_size: tuple[int, int],
    skeleton: Skeleton,
    *,
    stride: int,
    sigma: float,
    support: int,
    min_response: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute heatmaps, guiding offsets and their weights for one image.

    Args:
        keypoints: ``(P, K, 3)`` x, y (px, input image) and COCO visibility.
        scales: ``(P,)`` px.
        image_size: ``(H, W)`` px.
        skeleton: Keypoint types and limbs.
        stride: Px of the input image per cell.
        sigma: Standard deviation of the Gaussian responses, px.
        support: Side of the square of cells that carries a limb's offsets.
        min_response: Smaller responses become 0.

    Returns:
        ``(K, h, w)`` heatmaps, ``(2L, h, w)`` offsets, ``(L, h, w)`` weights, float32.
    """
    size = (image_size[0] // stride, image_size[1] // stride)
    heatmaps = np.zeros((skeleton.num_keypoints, *size), dtype=np.float32)
    offsets = np.zeros((2 * skeleton.num_limbs, *size), dtype=np.float32)
    weights = np.zeros((skeleton.num_limbs, *size), dtype=np.float32)
    nearest = np.full((skeleton.num_limbs, *size), np.inf, dtype=np.float32)  # squared distance to the owner
    reach = math.ceil(sigma * math.sqrt(-2 * math.log(min_response)) / stride)

    for person, scale in zip(keypoints.astype(np.float32), scales, strict=True):
        for index, (x, y, visibility) in enumerate(person):
            if visibility > 0:
                rows, columns, dx, dy = _window(x, y, reach, size, stride)
                response = np.exp((dx**2 + dy[:, None] ** 2) / (-2 * sigma**2))
                response[response < min_response] = 0
                patch = heatmaps[index, rows, columns]
                np.maximum(patch, response, out=patch)
        for limb, (start, end) in enumerate(skeleton.limbs):
            if person[start, 2] > 0 and person[end, 2] > 0:
                x, y = person[start, :2]
                rows, columns, dx, dy = _window(x, y, support // 2, size, stride)
                squared = dx**2 + dy[:, None] ** 2
                own = squared < nearest[limb, rows, columns]
                nearest[limb, rows, columns][own] = squared[own]
                to_x, to_y = np.broadcast_arrays(person[end, 0] - x - dx, (person[end, 1] - y - dy)[:, None])
                offsets[2 * limb, rows, columns][own] = to_x[own]
                offsets[2 * limb + 1, rows, columns][own] = to_y[own]
                weights[limb, rows, columns][own] = 1 / max(scale, 1.0)
    return heatmaps, offsets, weights


def _window(
    x: float, y: float, radius: int, size: tuple[int, int], stride: int
) -> tuple[slice, slice, np.ndarray, np.ndarray]:
    """Return the part of a map around a point, and the distances of its columns and rows to the point, px."""
    column, row = (math.floor(image_to_cells(float(value), stride) + 0.5) for value in (x, y))
    rows = slice(max(row - radius, 0), max(min(row + radius + 1, size[0]), 0))
    columns = slice(max(column - radius, 0), max(min(column + radius + 1, size[1]), 0))
    dx = cells_to_image(np.arange(columns.start, columns.stop, dtype=np.float32), stride) - x
    dy = cells_to_image(np.arange(rows.start, rows.stop, dtype=np.float32), stride) - y
    return rows, columns, dx, dy


def encode_plainly(
    encoder: PoseEncoder, keypoints: np.ndarray, scales: np.ndarray, image_size: tuple[int, int]
) -> tuple[np.ndarray, ...]:
    """Compute the targets of an encoder by loops.

    Raises:
        InputError: The encoder has targets that the loops do not support.
    """
    if encoder.quantize or encoder.refinement:
        raise InputError("method.encoder: the reference has only the targets of method=gog; use method=gog")
    options = {name: getattr(encoder, name) for name in ("stride", "sigma", "support", "min_response")}
    return encode_by_loops(keypoints, scales, image_size, encoder.skeleton, **options)


@dataclass(frozen=True)
class DenseDecoder(GogDecoder):
    """``GogDecoder`` that interpolates complete heatmaps, which is much slower. The poses are the same."""

    @staticmethod
    def interpolate(maps: np.ndarray, stride: int, threshold: float, interpolation: str) -> Tiles:
        """Interpolate complete heatmaps."""
        return whole_maps(maps, stride, threshold, interpolation)


def dense(decoder: GogDecoder) -> DenseDecoder:
    """Return the dense form of a decoder.

    Raises:
        InputError: The decoder has other rules.
    """
    if type(decoder) is not GogDecoder:
        raise InputError("method.decoder: has no dense form to compare with; use method=gog")
    return DenseDecoder(**{field.name: getattr(decoder, field.name) for field in fields(decoder)})


REFERENCE = Reference(encode_plainly, ("heatmaps", "offsets", "offset_weights"), dense)
