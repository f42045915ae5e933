"""The labeled people of one image, as encoders take them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class People(NamedTuple):
    """The labeled people of one image; px of the input image.

    Attributes:
        keypoints: ``(P, K, 3)`` float32 x, y and COCO visibility.
        scales: ``(P,)`` float32 root of each person's box area, the individual scale of Sec. 2.5.
        boxes: ``(P, 4)`` float32 x, y, width, height around each person's box, as far as it is in the image.
    """

    keypoints: np.ndarray
    scales: np.ndarray
    boxes: np.ndarray


def checked_keypoints(
    people: People, num_keypoints: int, image_size: tuple[int, int], stride: int, dtype: type[np.floating] = np.float32
) -> tuple[np.ndarray, tuple[int, int]]:
    """Check what targets are drawn from.

    Args:
        people: Their keypoints count.
        num_keypoints: K of the skeleton.
        image_size: ``(H, W)`` of the input image, px.
        stride: Px of the input image per cell.
        dtype: Of the keypoints that are returned.

    Returns:
        ``(P, K, 3)`` keypoints, and height and width of the maps, cells.

    Raises:
        ValueError: A shape does not fit, or the image size is no multiple of the stride.
    """
    keypoints = np.asarray(people.keypoints, dtype=dtype)
    if keypoints.ndim != 3 or keypoints.shape[1:] != (num_keypoints, 3):
        raise ValueError(f"keypoints must be (P, {num_keypoints}, 3), got {keypoints.shape}")
    if image_size[0] % stride or image_size[1] % stride:
        raise ValueError(f"image_size {image_size} must be a multiple of the stride {stride}")
    return keypoints, (image_size[0] // stride, image_size[1] // stride)
