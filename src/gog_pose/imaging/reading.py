"""Reading of image files: whatever is stored becomes 8-bit RGB, whatever is broken becomes one clear line."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from gog_pose.errors import InputError

ImageLike: TypeAlias = str | Path | Image.Image | np.ndarray

# What Pillow's readers raise on damaged bytes.
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error)


def read_image(path: str | Path, *, exif: bool = False) -> np.ndarray:
    """Read an image file.

    Args:
        path: Any format that Pillow reads; of an animation the first frame counts.
        exif: Turn the image upright as its EXIF orientation says. Leave it off where annotations exist: COCO's refer
            to the pixels as they are stored.

    Returns:
        ``(H, W, 3)`` uint8 RGB.

    Raises:
        InputError: The file is missing, not an image, damaged, too large or of a depth that has no 8-bit meaning.
    """
    with open_image(path) as image:
        image.load()
        return to_rgb(ImageOps.exif_transpose(image) if exif else image)


@contextmanager
def open_image(path: str | Path) -> Iterator[Image.Image]:
    """Open an image file; damage that shows within the ``with`` block is told like that of the header.

    Raises:
        InputError: The file is missing, not an image, damaged, too large or of a depth that has no 8-bit meaning.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: there is no such image file; check the path")
    try:
        with Image.open(path) as image:
            yield image
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except UnidentifiedImageError:
        if not path.stat().st_size:
            raise InputError(f"{path}: the file is empty; replace it") from None
        raise InputError(f"{path}: is not an image of a known format; remove it or replace it") from None
    except Image.DecompressionBombError as error:
        raise InputError(f"{path}: {error}; shrink the image first") from None
    except _DAMAGE as error:
        raise InputError(f"{path}: the image is damaged ({error}); replace the file") from error


def to_rgb(image: Image.Image) -> np.ndarray:
    """Convert a Pillow image of any mode.

    Transparent pixels are laid on white, as viewers show them, for what is hidden below them may be anything. 16 bits
    are scaled to 8.

    Returns:
        ``(H, W, 3)`` uint8 RGB, a copy.

    Raises:
        InputError: The pixels are floating-point or wider than 16 bits: nothing says which value is white.
    """
    if image.mode.startswith("I"):  # 16-bit gray, which Pillow may hold as 32-bit integers
        values = np.asarray(image, dtype=np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise InputError("pixels of more than 16 bits; convert the image to 8 bits first")
        image = Image.fromarray(((values + 128) // 257).astype(np.uint8))
    elif image.mode == "F":
        raise InputError("floating-point pixels; convert the image to 8 bits first")
    elif image.has_transparency_data:
        opaque = Image.new("RGBA", image.size, "white")
        opaque.alpha_composite(image.convert("RGBA"))
        image = opaque
    return np.array(image.convert("RGB"))


def pixels_of(image: ImageLike) -> np.ndarray:
    """Return ``(H, W, 3)`` uint8 RGB of a path, whose image is turned upright, a Pillow image or such an array itself.

    Raises:
        InputError: The file cannot be read, or the array is not an image.
    """
    if isinstance(image, str | Path):
        return read_image(image, exif=True)
    if isinstance(image, Image.Image):
        return to_rgb(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise InputError(f"image: expected a (H, W, 3) uint8 RGB array, got {image.shape} {image.dtype}")
    return image


def resolve_inside(root: str | Path, file_name: str) -> Path:
    """Return the path of a file that an annotation names, which must lie below a folder.

    Links inside the folder may lead elsewhere, for the folder's owner made them; names may not.

    Args:
        root: The folder of the images.
        file_name: As the annotation file says it, untrusted.

    Raises:
        InputError: The name is empty, absolute or leads out of the folder.
    """
    inside = Path(os.path.normpath(file_name))
    if not file_name or "\0" in file_name or inside.is_absolute() or inside.parts[:1] in ((), ("..",)):
        raise InputError(f"{root}: file_name {file_name!r} does not name a file inside this folder; correct it")
    return Path(root) / inside
