"""Canvases for drawings of people: the image, or a blank canvas if the image cannot be used."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gog_pose.errors import InputError
from gog_pose.imaging.reading import read_image, resolve_inside

_GRAY = 48  # gray level of a blank canvas


def canvas(folder: str | Path | None, file_name: str, image_hw: tuple[int, int]) -> tuple[np.ndarray, str | None]:
    """Return a canvas to draw the people of an image on.

    Args:
        folder: Folder of the images; None = return a blank canvas.
        file_name: File name of the image in the annotations.
        image_hw: Height and width of the image in the annotations, px.

    Returns:
        ``(H, W, 3)`` uint8 RGB, and the reason why the image could not be used; None if ``folder`` is None or the
        image is used.
    """
    reason = None
    if folder is not None:
        try:
            pixels = read_image(resolve_inside(folder, file_name))
            if pixels.shape[:2] == image_hw:
                return pixels, None
            reason = f"{file_name}: has another size than in the annotations"
        except InputError as error:
            reason = str(error)
    return np.full((*image_hw, 3), _GRAY, dtype=np.uint8), reason
