"""Pictures of maps over an image: responses, vectors and ignored regions."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from gog_pose.drawing.canvas import dimmed, dot, fixed, line
from gog_pose.drawing.colors import Color

_MISSING: Color = (240, 240, 240)
_IGNORED: Color = (230, 30, 30)


def draw_heatmaps(image: np.ndarray, heatmaps: np.ndarray, colors: Sequence[Color]) -> np.ndarray:
    """Draw responses over a dark gray copy of an image; each cell has the color of its strongest keypoint type.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        heatmaps: ``(K, h, w)`` responses that cover the whole image; 0 is transparent, 1 the full color.
        colors: K colors.

    Returns:
        ``(H, W, 3)`` uint8 RGB.
    """
    height, width = image.shape[:2]
    best = heatmaps.argmax(axis=0)
    response = np.take_along_axis(heatmaps, best[None], axis=0)[0].clip(0, 1)
    layer = np.dstack([np.array(colors, dtype=np.float32)[best] * response[..., None], response]).astype(
        np.float32
    )  # premultiplied, for resizing
    layer = cv2.resize(layer, (width, height), interpolation=cv2.INTER_LINEAR)
    ground = dimmed(image).astype(np.float32)
    return np.asarray((ground * (1 - layer[..., 3:]) + layer[..., :3]).round().clip(0, 255), dtype=np.uint8)


def draw_vectors(
    image: np.ndarray,
    starts: np.ndarray,
    tips: np.ndarray,
    colors: Sequence[Color],
    goals: np.ndarray | None = None,
    *,
    fine: bool = False,
) -> np.ndarray:
    """Draw vectors on a dark gray copy of an image: a line with a dot at its tip.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        starts: ``(N, 2)`` px of that image.
        tips: ``(N, 2)`` ends of the vectors, px of that image.
        colors: N colors.
        goals: ``(N, 2)`` correct ends, px of that image: a white line from the tip to the goal shows the error.
            None = unknown.
        fine: Draw thin, translucent lines, for many vectors with the same tips.

    Returns:
        ``(H, W, 3)`` uint8 RGB.
    """
    canvas = dimmed(image)
    lines = canvas.copy()
    size = max(image.shape[:2]) / 320
    thickness = 1 if fine else max(1, round(size))
    ends = fixed(tips)
    for index, (start, end) in enumerate(zip(fixed(starts), ends, strict=True)):
        if goals is not None:
            line(lines, end, fixed(goals[index]), _MISSING, thickness)
        line(lines, start, end, colors[index], thickness)
        if not fine:
            dot(lines, end, 1.5 * thickness, colors[index])
    if not fine:
        return np.asarray(lines)
    for end, color in {(tuple(end.tolist()), color) for end, color in zip(ends, colors, strict=True)}:
        dot(lines, np.array(end), 1.5 * size, color)
    return np.asarray(cv2.addWeighted(lines, 0.7, canvas, 0.3, 0))


def draw_ignored(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Mark ignored regions with red stripes on a copy of an image.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        mask: ``(h, w)`` over the whole image, 0 = ignored.

    Returns:
        ``(H, W, 3)`` uint8 RGB.
    """
    canvas = np.array(image)
    height, width = canvas.shape[:2]
    ignored = cv2.resize((mask == 0).astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    pitch = max(6, round(max(height, width) / 48))
    rows, columns = np.ogrid[:height, :width]
    striped = ignored.astype(bool) & ((rows + columns) % pitch < pitch / 3)
    canvas[striped] = (0.5 * canvas[striped] + 0.5 * np.array(_IGNORED)).astype(np.uint8)
    edges, _ = cv2.findContours(ignored, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(canvas, edges, -1, _IGNORED, max(1, round(max(height, width) / 320)))
    return canvas
