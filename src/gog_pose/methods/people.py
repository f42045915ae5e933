"""The labeled people of one image, the input of encoders."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class People(NamedTuple):
    """The labeled people of one image; px of the input image.

    Attributes:
        keypoints: ``(P, K, 3)`` float32 x, y and COCO visibility.
        scales: ``(P,)`` float32 square root of each person's box area, the individual scale of Sec. 2.5.
        boxes: ``(P, 4)`` float32 x, y, width, height of each person's box, clipped to the image.
    """

    keypoints: np.ndarray
    scales: np.ndarray
    boxes: np.ndarray


def checked_keypoints(
    people: People, num_keypoints: int, image_size: tuple[int, int], stride: int, dtype: type[np.floating] = np.float32
) -> tuple[np.ndarray, tuple[int, int]]:
    """Check the keypoints and the image size from which targets are computed.

    Args:
        people: People, of whom only the keypoints are used.
        num_keypoints: K of the skeleton.
        image_size: ``(H, W)`` of the input image, px.
        stride: Px of the input image per cell.
        dtype: Type of the returned keypoints.

    Returns:
        ``(P, K, 3)`` keypoints, and height and width of the maps, cells.

    Raises:
        ValueError: A shape is wrong, or the image size is not a multiple of the stride.
    """
    keypoints = np.asarray(people.keypoints, dtype=dtype)
    if keypoints.ndim != 3 or keypoints.shape[1:] != (num_keypoints, 3):
        raise ValueError(f"keypoints must be (P, {num_keypoints}, 3), got {keypoints.shape}")
    if image_size[0] % stride or image_size[1] % stride:
        raise ValueError(f"image_size {image_size} must be a multiple of the stride {stride}")
    return keypoints, (image_size[0] // stride, image_size[1] // stride)
