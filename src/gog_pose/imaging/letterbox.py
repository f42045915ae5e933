"""Conversion of images of any size to network inputs, for evaluation and prediction: resize, pad, normalize."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import cv2
import numpy as np

from gog_pose.errors import InputError
from gog_pose.geometry import Letterbox, centered, letterbox, short_sided
from gog_pose.imaging.preprocessing import Preprocessing

if TYPE_CHECKING:
    import torch

_METHODS = {"linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC}


class PreparedImage(NamedTuple):
    """One image as network input.

    Attributes:
        tensor: ``(3, H, W)`` float32, normalized; both sides are multiples of the network's largest stride.
        matrix: ``(3, 3)`` float64 transform from px of the original image to px of the network input.
        image_hw: Height and width of the image in the input, px; the rest is padding.
        corner: Row and column of the image's upper left corner in the input.
    """

    tensor: torch.Tensor
    matrix: np.ndarray
    image_hw: tuple[int, int]
    corner: tuple[int, int]


Views: TypeAlias = tuple[PreparedImage, ...]  # one image at each scale, scale 1 first


def prepare_image(image: np.ndarray, preprocessing: Preprocessing, multiple: int) -> PreparedImage:
    """Fit an image into a network input and fill the rest with the border color.

    Args:
        image: ``(H, W, 3)`` uint8 RGB, px of the original image.
        preprocessing: Layout, size, border and normalization.
        multiple: Both sides of the input become multiples of this, px.
    """
    height, width = image.shape[:2]
    matrix, resized_hw, padded_hw, (top, left) = _placed((height, width), preprocessing, multiple)
    if preprocessing.short_side is not None:
        padded = cv2.warpAffine(image, matrix[:2], padded_hw[::-1], borderValue=preprocessing.border_rgb)
        return PreparedImage(preprocessing.to_tensor(padded), matrix, resized_hw, (top, left))
    if resized_hw != (height, width):
        # All three interpolations follow the half-pixel convention. Below half the size, linear and cubic interpolation
        # skip pixels and alias; averaging over areas does not.
        shrinks_a_lot = 2 * max(resized_hw) < max(height, width)
        method = cv2.INTER_AREA if shrinks_a_lot else _METHODS[preprocessing.interpolation]
        image = cv2.resize(image, resized_hw[::-1], interpolation=method)
    padded = np.empty((*padded_hw, 3), dtype=np.uint8)
    padded[:] = preprocessing.border_rgb
    padded[top : top + resized_hw[0], left : left + resized_hw[1]] = image
    return PreparedImage(preprocessing.to_tensor(padded), matrix, resized_hw, (top, left))


def _placed(image_hw: tuple[int, int], preprocessing: Preprocessing, multiple: int) -> Letterbox:
    """Return the placement of an image in its input."""
    if preprocessing.layout == "centered":
        return centered(image_hw, multiple)
    if preprocessing.short_side is not None:
        return short_sided(image_hw, preprocessing.short_side, multiple)
    size, coordinates = preprocessing.long_side, preprocessing.coordinates
    return letterbox(image_hw, size, multiple, coordinates, fixed_height=preprocessing.height)


@dataclass(frozen=True)
class InputFormat:
    """Conversion of images of any size to network inputs, with one view of the image per scale.

    Attributes:
        preprocessing: Layout, size, border and normalization.
        multiple: Both sides of an input become multiples of this, px.
        scales: Sizes of the views relative to the size in ``preprocessing``; must contain 1, which is moved to the
            front.

    Raises:
        InputError: A scale is not positive or is listed twice, 1 is missing, or ``multiple`` is below 1.
    """

    preprocessing: Preprocessing
    multiple: int
    scales: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        """Check the values and move scale 1 to the front."""
        scales = [float(scale) for scale in self.scales]
        if 1.0 not in scales or len(set(scales)) != len(scales) or min(scales) <= 0:
            raise InputError(
                f"scales: must be positive, distinct and contain 1, the scale of the merged maps, got {scales}"
            )
        object.__setattr__(self, "scales", (1.0, *(scale for scale in scales if scale != 1.0)))
        if self.multiple < 1:
            raise InputError(f"multiple: must be 1 px or more, got {self.multiple}")

    def views(self, image: np.ndarray) -> Views:
        """Return the views of an image, ``(H, W, 3)`` uint8 RGB."""
        return tuple(prepare_image(image, self.preprocessing.scaled(scale), self.multiple) for scale in self.scales)

    def sizes(self, image_hw: tuple[int, int]) -> tuple[tuple[int, int], ...]:
        """Return the height and width, px, of each view of an image of this size."""
        scaled = (self.preprocessing.scaled(scale) for scale in self.scales)
        return tuple(_placed(image_hw, one, self.multiple).padded_hw for one in scaled)


def grouped(keys: Sequence[Hashable]) -> list[list[int]]:
    """Return the indices of each distinct key in a list; keys in the order of their first occurrence."""
    places: dict[Hashable, list[int]] = {}
    for place, key in enumerate(keys):
        places.setdefault(key, []).append(place)
    return list(places.values())
