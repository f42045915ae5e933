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
