"""Pixel conventions and affine transformations between images.

A pixel covers a 1x1 area and its value is located at the center: a keypoint at ``x = 10.0`` is at the center of column
10 (Sec. 2.2). Points are ``(x, y)``, sizes are ``(height, width)``, affine transformations are 3x3 float64 matrices
that act on column vectors ``(x, y, 1)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

if TYPE_CHECKING:
    import torch

Coordinates = TypeVar("Coordinates", float, np.ndarray, "torch.Tensor")

_ROUND_UP = 63 / 64  # HigherHRNet adds 63 px and rounds down to 64, so a fraction of a px at the border may be lost
WIDEST = 8  # largest aspect ratio of an input with a fixed height


def cells_to_image(cells: Coordinates, stride: int) -> Coordinates:
    """Convert coordinates in output cells to px of the input image: ``R u + R / 2 - 0.5`` (Sec. 2.2)."""
    return cells * stride + (stride / 2 - 0.5)


def image_to_cells(image: Coordinates, stride: int) -> Coordinates:
    """Convert px of the input image to coordinates in output cells (inverse of ``cells_to_image``)."""
    return (image - (stride / 2 - 0.5)) / stride


def translation(x: float, y: float) -> np.ndarray:
    """Return the translation by ``(x, y)`` px."""
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], dtype=np.float64)


def rotation(degrees: float) -> np.ndarray:
    """Return the rotation about the origin that turns the x axis towards the y axis (clockwise on a screen)."""
    angle = np.deg2rad(degrees)
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]], dtype=np.float64)


def stretch(x: float, y: float) -> np.ndarray:
    """Return the scaling of both axes about the origin; a negative factor mirrors the axis."""
    return np.array([[x, 0, 0], [0, y, 0], [0, 0, 1]], dtype=np.float64)


def resize(x: float, y: float) -> np.ndarray:
    """Return the transformation of an image resize as in ``cv2.resize``: ``x' = s (x + 0.5) - 0.5``."""
    return np.asarray(translation(-0.5, -0.5) @ stretch(x, y) @ translation(0.5, 0.5))


def cells_to_cells(start: np.ndarray, end: np.ndarray, stride: int) -> np.ndarray:
    """Return the transformation between the cells of two network inputs that show the same image.

    Args:
        start: ``(3, 3)`` transformation from px of the original image to px of the first input.
        end: ``(3, 3)`` transformation from px of the original image to px of the second input.
        stride: Stride of both, px per cell.
    """
    cells = resize(stride, stride)
    return np.asarray(np.linalg.inv(cells) @ end @ np.linalg.inv(start) @ cells)


def normalized_to_cells(size: tuple[int, int]) -> np.ndarray:
    """Return the transformation from ``grid_sample``'s [-1, 1] (between outer edges) to cells of ``(h, w)`` maps."""
    height, width = size
    return np.asarray(translation(-0.5, -0.5) @ stretch(width / 2, height / 2) @ translation(1, 1))


def mirror(width: int) -> np.ndarray:
    """Return the horizontal flip of an image of the given width: ``x' = width - 1 - x``."""
    return np.asarray(translation(width - 1, 0) @ stretch(-1, 1))


def apply_affine(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Apply an affine transformation to points.

    Args:
        points: ``(..., 2)`` px.
        matrix: ``(3, 3)``.

    Returns:
        ``(..., 2)`` float64 px.
    """
    return np.asarray(points @ matrix[:2, :2].T + matrix[:2, 2])


def area_scale(matrix: np.ndarray) -> float:
    """Return the mean scale of an affine transformation, the square root of the change of area."""
    return float(np.sqrt(abs(np.linalg.det(matrix[:2, :2]))))


class Letterbox(NamedTuple):
    """Placement of an image in a network input.

    Attributes:
        matrix: ``(3, 3)`` transformation from px of the original image to px of the network input.
        resized_hw: Size of the image inside the input, without padding.
        padded_hw: Size of the network input, including padding.
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
    """Resize an image to a given long side or height, and pad both sides to multiples that the network supports.

    Args:
        image_hw: Size of the original image.
        long_side: Length of the long side after resizing, px.
        multiple: Both padded sides become multiples of this (the largest stride of the network).
        coordinates: ``half_pixel``, or ``align_corners`` to align the centers of the outermost pixels.
        fixed_height: Height after resizing, px, instead of ``long_side``. The width follows from the aspect ratio, up
            to ``WIDEST`` times the height; wider panoramas are reduced to this width, to limit the memory.

    Returns:
        The placement. The scale of its matrix is exact for the rounded size, so that keypoints are mapped back without
        bias.
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
    """Place an image without resizing in the center of a network input, as in CenterNet's evaluation.

    Args:
        image_hw: Size of the image.
        multiple: Both padded sides are the smallest multiple of this that is larger than the side of the image.
    """
    height, width = image_hw
    padded = ((height // multiple + 1) * multiple, (width // multiple + 1) * multiple)
    corner = (padded[0] // 2 - height // 2, padded[1] // 2 - width // 2)
    return Letterbox(translation(corner[1], corner[0]), image_hw, padded, corner)


def short_sided(image_hw: tuple[int, int], short_side: int, multiple: int) -> Letterbox:
    """Resize an image to a given short side and place it in the center of the input, as in HigherHRNet's evaluation.

    The center of the image, rounded to whole px, is placed in the center of the input. The padding on both sides may
    have any width.

    Args:
        image_hw: Size of the image.
        short_side: Length of the short side after resizing, px. It is reduced for panoramas, so that the long side is
            at most ``WIDEST`` times this value.
        multiple: Both padded sides are multiples of this, px. HigherHRNet's program rounds up at the smallest of
            several scales; at the others ``multiple`` is larger by the ratio of the scales.
    """
    height, width = image_hw
    scale = short_side * min(1 / min(image_hw), WIDEST / max(image_hw))
    padded = tuple(int(side * scale / multiple + _ROUND_UP) * multiple for side in image_hw)
    center = int(width / 2 + 0.5), int(height / 2 + 0.5)
    matrix = translation(padded[1] / 2, padded[0] / 2) @ stretch(scale, scale) @ translation(-center[0], -center[1])
    left, top = apply_affine(np.array([-0.5, -0.5]), matrix) + 0.5
    resized = (round(height * scale), round(width * scale))
    return Letterbox(np.asarray(matrix), resized, (padded[0], padded[1]), (max(0, round(top)), max(0, round(left))))
