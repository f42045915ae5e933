"""From an image of any size to a network input: resized, padded, normalised; evaluation and prediction use it."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import torch

from gog_pose.geometry import letterbox
from gog_pose.preprocessing import Preprocessing

_METHODS = {"linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC}


class PreparedImage(NamedTuple):
    """One image as the network takes it.

    Attributes:
        tensor: ``(3, H, W)`` float32, normalised; both sides are multiples of the network's largest stride.
        matrix: ``(3, 3)`` float64 map from px of the original image to px of the network input.
    """

    tensor: torch.Tensor
    matrix: np.ndarray


def prepare_image(image: np.ndarray, preprocessing: Preprocessing, multiple: int) -> PreparedImage:
    """Fit an image into a network input: at the top left, the rest filled with the mean colour.

    Args:
        image: ``(H, W, 3)`` uint8 RGB, px of the original image.
        preprocessing: Gives the length of the long side, the fill colour and the normalisation.
        multiple: Both sides of the input become multiples of this, px.
    """
    height, width = image.shape[:2]
    matrix, resized_hw, padded_hw = letterbox(
        (height, width), preprocessing.long_side, multiple, preprocessing.coordinates
    )
    if resized_hw != (height, width):
        # All methods follow the half-pixel convention. Below half the size, interpolation would skip pixels and alias;
        # averaging over areas does not.
        shrinks_a_lot = 2 * max(resized_hw) < max(height, width)
        method = cv2.INTER_AREA if shrinks_a_lot else _METHODS[preprocessing.interpolation]
        image = cv2.resize(image, resized_hw[::-1], interpolation=method)
    padded = np.empty((*padded_hw, 3), dtype=np.uint8)
    padded[:] = preprocessing.border_rgb
    padded[: resized_hw[0], : resized_hw[1]] = image
    return PreparedImage(preprocessing.to_tensor(padded), matrix)
