"""Pixel conventions and the maps between images; every half pixel of the package lives here.

A pixel covers a 1x1 area and its value sits at the area's center: a keypoint at ``x = 10.0`` lies on the center of
column 10 (Sec. 2.2). Points are ``(x, y)``, sizes are ``(height, width)``, affine maps are 3x3 float64 matrices that
act on column vectors ``(x, y, 1)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

if TYPE_CHECKING:
    import torch

Coordinates = TypeVar("Coordinates", float, np.ndarray, "torch.Tensor")

_ROUND_UP = 63 / 64  # HigherHRNet adds 63 px and rounds down to 64: a part of a px at the border may be cut off
WIDEST = 8  # widths a height: of an input whose height is fixed


def cells_to_image(cells: Coordinates, stride: int) -> Coordinates:
    """Map coordinates in output cells to px of the input image: ``R u + R / 2 - 0.5`` (Sec. 2.2)."""
    return cells * stride + (stride / 2 - 0.5)


def image_to_cells(image: Coordinates, stride: int) -> Coordinates:
    """Map px of the input image to coordinates in output cells; the inverse of ``cells_to_image``."""
    return (image - (stride / 2 - 0.5)) / stride


def translation(x: float, y: float) -> np.ndarray:
    """Return the map that moves points by ``(x, y)`` px."""
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], dtype=np.float64)


def rotation(degrees: float) -> np.ndarray:
    """Return the rotation about the origin that turns the x axis towards the y axis (clockwise on a screen)."""
    angle = np.deg2rad(degrees)
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]], dtype=np.float64)


def stretch(x: float, y: float) -> np.ndarray:
    """Return the map that scales both axes about the origin; a negative factor mirrors."""
    return np.array([[x, 0, 0], [0, y, 0], [0, 0, 1]], dtype=np.float64)


def resize(x: float, y: float) -> np.ndarray:
    """Return the map of an image resize by these factors: ``x' = s (x + 0.5) - 0.5``, as ``cv2.resize`` does it."""
    return np.asarray(translation(-0.5, -0.5) @ stretch(x, y) @ translation(0.5, 0.5))


def cells_to_cells(start: np.ndarray, end: np.ndarray, stride: int) -> np.ndarray:
    """Return the map from cells to cells of two inputs that show one image.

    Args:
        start: ``(3, 3)`` px of the original image -> px of the input whose cells are given.
        end: ``(3, 3)`` px of the original image -> px of the input whose cells are wanted.
        stride: Of both.
    """
    cells = resize(stride, stride)
    return np.asarray(np.linalg.inv(cells) @ end @ np.linalg.inv(start) @ cells)


def normalized_to_cells(size: tuple[int, int]) -> np.ndarray:
    """Return the map from ``grid_sample``'s [-1, 1], outer edge to outer edge, to the cells of ``(h, w)`` maps."""
    height, width = size
    return np.asarray(translation(-0.5, -0.5) @ stretch(width / 2, height / 2) @ translation(1, 1))


def mirror(width: int) -> np.ndarray:
    """Return the horizontal flip of an image of that width: ``x' = width - 1 - x``."""
    return np.asarray(translation(width - 1, 0) @ stretch(-1, 1))


def apply_affine(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Move points by an affine map.

    Args:
        points: ``(..., 2)`` px.
        matrix: ``(3, 3)``.

    Returns:
        ``(..., 2)`` float64 px.
    """
    return np.asarray(points @ matrix[:2, :2].T + matrix[:2, 2])


def area_scale(matrix: np.ndarray) -> float:
    """Return by how much an affine map stretches lengths on average: the root of its area change."""
    return float(np.sqrt(abs(np.linalg.det(matrix[:2, :2]))))


class Letterbox(NamedTuple):
    """How an image is fitted into a network input.

    Attributes:
        matrix: ``(3, 3)`` map from px of the original image to px of the network input.
        resized_hw: Size of the image proper inside the input.
        padded_hw: Size of the network input, padding included.
        corner: Row and column of the input where the image begins.
    """

    matrix: np.ndarray
    resized_hw: tuple[int, int]
    padded_hw: tuple[int, int]
    corner: tuple[int, int] = (0, 0)


def letterbox(
    image_hw: tuple[int, int],
    long_side: int,
    multiple: int,
    coordinates: str = "half_pixel",
    *,
    fixed_height: int | None = None,
) -> Letterbox:
    """Fit an image so that its long side, or its height, has a given length and both sides are legal for a network.

    Args:
        image_hw: Size of the original image.
        long_side: Length of the long side after resizing, px.
        multiple: Both padded sides become multiples of this (the largest stride in the network).
        coordinates: ``half_pixel``, or ``align_corners`` for a map that brings the outermost pixels onto each other.
        fixed_height: Height after resizing, px, in place of ``long_side``. The width follows, to at most
            ``WIDEST`` times the height: a panorama that is wider is fitted into that width, for memory has an end.

    Returns:
        The map, whose scale is exact for the rounded size, so that its inverse brings keypoints back without bias.
    """
    height, width = image_hw
    scale = long_side / max(height, width)
    if fixed_height is not None:
        scale = fixed_height * min(1 / height, WIDEST / width)
    resized = (max(1, round(height * scale)), max(1, round(width * scale)))
    padded = (-(-resized[0] // multiple) * multiple, -(-resized[1] // multiple) * multiple)
    sides = zip(resized[::-1], (width, height), strict=True)
    if coordinates == "align_corners":
        matrix = stretch(*((new - 1) / (old - 1) if old > 1 else 1.0 for new, old in sides))
    else:
        matrix = resize(*(new / old for new, old in sides))
    return Letterbox(matrix, resized, padded)


def centered(image_hw: tuple[int, int], multiple: int) -> Letterbox:
    """Put an image as it is into the middle of a network input, as CenterNet evaluates.

    Args:
        image_hw: Size of the image.
        multiple: Both padded sides are the next multiple of this that is larger than the image's; never the same.
    """
    height, width = image_hw
    padded = ((height // multiple + 1) * multiple, (width // multiple + 1) * multiple)
    corner = (padded[0] // 2 - height // 2, padded[1] // 2 - width // 2)
    return Letterbox(translation(corner[1], corner[0]), image_hw, padded, corner)


def short_sided(image_hw: tuple[int, int], short_side: int, multiple: int) -> Letterbox:
    """Bring an image into the middle of a network input by the length of its short side, as HigherHRNet evaluates.

    The center of the image, at whole px, comes to the middle of the input; the bars on both sides may be of any width.

    Args:
        image_hw: Size of the image.
        short_side: Length of the short side after resizing, px. A panorama's is shorter: its long side is at most
            ``WIDEST`` times this.
        multiple: Both padded sides are multiples of this, px. The program rounds up at the smallest of several scales;
            at the others ``multiple`` is larger by the ratio of the scales.
    """
    height, width = image_hw
    scale = short_side * min(1 / min(image_hw), WIDEST / max(image_hw))
    padded = tuple(int(side * scale / multiple + _ROUND_UP) * multiple for side in image_hw)
    center = int(width / 2 + 0.5), int(height / 2 + 0.5)
    matrix = translation(padded[1] / 2, padded[0] / 2) @ stretch(scale, scale) @ translation(-center[0], -center[1])
    left, top = apply_affine(np.array([-0.5, -0.5]), matrix) + 0.5
    resized = (round(height * scale), round(width * scale))
    return Letterbox(np.asarray(matrix), resized, (padded[0], padded[1]), (max(0, round(top)), max(0, round(left))))
