"""Atomic writing of picture files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from gog_pose.system.files import replaced


def write_picture(path: Path, picture: np.ndarray) -> None:
    """Write ``(H, W, 3)`` uint8 RGB as PNG.

    Raises:
        InputError: The file cannot be written.
    """
    with replaced(path) as part:
        Image.fromarray(picture).save(part, "PNG")
