"""Lines and dots with sub-pixel precision, and the dimmed image that maps are drawn on."""

from __future__ import annotations

import cv2
import numpy as np

from gog_pose.drawing.colors import Color

DIMMING = 0.4  # brightness of the image below maps
_SUBPIXEL_BITS = 4  # OpenCV takes coordinates as integers of 1/16 px
_FARTHEST = 1e6  # px; larger coordinates overflow OpenCV's integers


def dimmed(image: np.ndarray) -> np.ndarray:
    """Return a dark gray copy of an image, so that colors on it stand out."""
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) * DIMMING
    return np.repeat(gray.astype(np.uint8)[..., None], 3, axis=2)


def fixed(points: np.ndarray) -> np.ndarray:
    """Convert px to OpenCV's fixed-point units; coordinates outside their range are clipped."""
    return np.asarray(np.round(np.nan_to_num(points).clip(-_FARTHEST, _FARTHEST) * 2**_SUBPIXEL_BITS), dtype=np.int64)


def line(canvas: np.ndarray, start: np.ndarray, end: np.ndarray, color: Color, thickness: int) -> None:
    """Draw a line in place; ``start`` and ``end`` are results of ``fixed``."""
    cv2.line(canvas, start.tolist(), end.tolist(), color, thickness, cv2.LINE_AA, _SUBPIXEL_BITS)


def dot(canvas: np.ndarray, center: np.ndarray, radius: float, color: Color) -> None:
    """Draw a disk in place; ``center`` is a result of ``fixed``, ``radius`` is in px."""
    cv2.circle(
        canvas, center.tolist(), round(radius * 2**_SUBPIXEL_BITS), color, cv2.FILLED, cv2.LINE_AA, _SUBPIXEL_BITS
    )
