"""Contact sheets: pictures in rows, with captions."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from gog_pose.drawing.colors import Color

_BACKGROUND: Color = (32, 32, 32)
_CAPTION: Color = (240, 240, 240)
_CAPTION_HEIGHT = 20  # px
_GAP = 4  # px between the cells of a contact sheet


def contact_sheet(
    images: Sequence[np.ndarray],
    columns: int = 4,
    cell_hw: tuple[int, int] = (360, 480),
    captions: Sequence[str] | None = None,
) -> np.ndarray:
    """Arrange images in rows of cells of equal size.

    Args:
        images: At least one ``(H, W, 3)`` uint8 RGB image; sizes may differ.
        columns: Cells per row; fewer if there are fewer images.
        cell_hw: Height and width of a cell, px.
        captions: One line of text per image, for its upper left corner; None = no captions.

    Returns:
        ``(H, W, 3)`` uint8 RGB.
    """
    if not images or columns < 1:
        raise ValueError(f"a contact sheet needs images and columns, got {len(images)} and {columns}")
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    pitch_y, pitch_x = cell_hw[0] + _GAP, cell_hw[1] + _GAP
    sheet = np.empty((rows * pitch_y + _GAP, columns * pitch_x + _GAP, 3), dtype=np.uint8)
    sheet[:] = _BACKGROUND
    for index, image in enumerate(images):
        fitted = fit(image, cell_hw)
        if captions is not None:
            _write(fitted, captions[index])
        height, width = fitted.shape[:2]
        top = _GAP + index // columns * pitch_y + (cell_hw[0] - height) // 2
        left = _GAP + index % columns * pitch_x + (cell_hw[1] - width) // 2
        sheet[top : top + height, left : left + width] = fitted
    return sheet


def fit(image: np.ndarray, cell_hw: tuple[int, int]) -> np.ndarray:
    """Resize an image to the largest size that fits into a cell and keeps its aspect ratio."""
    height, width = image.shape[:2]
    scale = min(cell_hw[0] / height, cell_hw[1] / width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR))


def _write(canvas: np.ndarray, text: str) -> None:
    """Write a line of text into the upper left corner, on a dark background."""
    font = cv2.FONT_HERSHEY_SIMPLEX, 0.45
    width = cv2.getTextSize(text, *font, 1)[0][0]
    canvas[:_CAPTION_HEIGHT, : width + 8] = _BACKGROUND
    cv2.putText(canvas, text, (4, _CAPTION_HEIGHT - 6), *font, _CAPTION, 1, cv2.LINE_AA)
