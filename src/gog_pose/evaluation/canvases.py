"""Canvases for pictures of an image's people: the image itself, or a blank canvas where it cannot be used."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gog_pose.errors import InputError
from gog_pose.imaging.reading import read_image, resolve_inside

_GRAY = 48  # of a blank canvas


def canvas(folder: str | Path | None, file_name: str, image_hw: tuple[int, int]) -> tuple[np.ndarray, str | None]:
    """Return a canvas to draw the people of an image on.

    Args:
        folder: Folder of the images; None asks for a blank canvas.
        file_name: As the annotations name it.
        image_hw: Height and width that the annotations are for, px.

    Returns:
        ``(H, W, 3)`` uint8 RGB, and why it is blank; None where it is not, or was meant to be.
    """
    reason = None
    if folder is not None:
        try:
            pixels = read_image(resolve_inside(folder, file_name))
            if pixels.shape[:2] == image_hw:
                return pixels, None
            reason = f"{file_name}: has another size than the annotations say"
        except InputError as error:
            reason = str(error)
    return np.full((*image_hw, 3), _GRAY, dtype=np.uint8), reason
