"""Reading of image files: whatever is stored becomes 8-bit RGB, whatever is broken becomes one clear line."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from gog_pose.errors import InputError

ImageLike: TypeAlias = str | Path | Image.Image | np.ndarray

# Pillow's other readers stay closed to files of unknown origin: that of EPS runs Ghostscript.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
LIMIT = "GOG_MAX_PIXELS"  # environment variable, so that loading processes and notebooks follow it, too
DEFAULT_MAX_PIXELS = 120_000_000  # phones make 108 million
_LARGEST_LIMIT = 2 * (Image.MAX_IMAGE_PIXELS or 0)  # above, Pillow itself refuses
_BAND_PIXELS = 1 << 22  # pixels that are converted at once
_MAX_EXIF_SEGMENTS = 16  # of 64 kB; Pillow joins n of them in n^2 steps
_REDUCED = 254, 1  # TIFF's tag NewSubfileType and its bit of pages that are a thumbnail of another one
_RAW = "it holds only a thumbnail, as a camera's raw file does; convert it to JPEG or PNG"
_UNTIMED = ("MPO", "TIFF")  # formats whose pictures are pages, not frames


class Picture(NamedTuple):
    """One picture of an image file.

    Attributes:
        pixels: ``(H, W, 3)`` uint8 RGB, upright.
        seconds: When an animation shows it, since the first; None of a page and of an image that is not animated.
        duration: How long an animation shows it, s; None of others.
    """

    pixels: np.ndarray
    seconds: float | None = None
    duration: float | None = None


def read_image(path: str | Path, *, exif: bool = False) -> np.ndarray:
    """Read an image file; of an animation or of pages only the first picture, with a warning.

    Args:
        path: A file in one of the ``FORMATS``.
        exif: Turn the image upright as its EXIF orientation says. Leave it off where annotations exist: COCO's refer
            to the pixels as they are stored.

    Returns:
        ``(H, W, 3)`` uint8 RGB.

    Raises:
        InputError: The file is missing, not an image, damaged, too large or of a depth that has no 8-bit meaning.
    """
    with open_image(path) as image:
        if _is_thumbnail(image):
            raise InputError(_RAW)
        if image.format != "MPO" and getattr(image, "is_animated", False):
            warnings.warn(f"{path}: only the first of its pictures is used", stacklevel=2)
        image.load()
        return to_rgb(ImageOps.exif_transpose(image) if exif else image)


def read_pictures(path: str | Path) -> Iterator[Picture]:
    """Yield the pictures of an image file: the frames of an animation, the pages of a TIFF, otherwise one.

    A still that an APNG holds for programs without animation is no picture of it, nor are the thumbnails of a TIFF and
    the gain and depth maps behind a phone's JPEG, which are smaller than it.

    Raises:
        InputError: As of ``read_image``, after the pictures before the damage.
    """
    seconds = 0.0
    with open_image(path) as image:
        timed = _is_animation(image)
        for _ in _each(image):
            duration = _duration(image) if timed else None
            pixels = to_rgb(ImageOps.exif_transpose(image))
            yield Picture(pixels, seconds if timed else None, duration)
            seconds += duration or 0


def shortest_duration(path: str | Path) -> float | None:
    """Return the shortest time, s, that an animation shows a picture; None of another image.

    Damage ends the search and is not reported here.
    """
    shortest: float | None = None
    try:
        with open_image(path) as image:
            if _is_animation(image):
                for _ in _each(image):
                    shortest = min(shortest or math.inf, _duration(image))
    except InputError:
        pass
    return shortest


@contextmanager
def open_image(path: str | Path) -> Iterator[Image.Image]:
    """Open an image file; damage that shows within the ``with`` block is reported like that of the header.

    Raises:
        InputError: The file is missing, not an image, damaged, too large or of a depth that has no 8-bit meaning.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: there is no such image file; check the path")
    try:
        _check_exif(path)
        with Image.open(path, formats=FORMATS) as image:
            _check_size(image)
            yield image
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except UnidentifiedImageError:
        if not path.stat().st_size:
            raise InputError(f"{path}: the file is empty; replace it") from None
        raise InputError(
            f"{path}: is not an image of a known format ({', '.join(FORMATS)}); remove it or convert it"
        ) from None
    except Image.DecompressionBombError as error:
        raise InputError(f"{path}: {error}; shrink the image first") from None
    except MemoryError:
        raise InputError(f"{path}: there is not enough memory to read the image; shrink it") from None
    except Exception as error:  # Pillow's readers raise whatever they stumble over in damaged bytes
        raise InputError(f"{path}: the image is damaged ({error or type(error).__name__}); replace the file") from error


def max_pixels() -> int:
    """Return the largest number of pixels of an image: ``GOG_MAX_PIXELS``, or the default.

    Raises:
        InputError: The variable is not a number in its range.
    """
    value = os.environ.get(LIMIT) or str(DEFAULT_MAX_PIXELS)
    if not (value.isdecimal() and 1 <= int(value) <= _LARGEST_LIMIT):
        raise InputError(f"{LIMIT}: must be a whole number from 1 to {_LARGEST_LIMIT}, got {value!r}")
    return int(value)


def check_pixels(width: int, height: int) -> None:
    """Raise ``InputError`` if an image of this size has more pixels than are allowed."""
    limit = max_pixels()
    if width * height > limit:
        raise InputError(
            f"{width}x{height} px are more than {limit:,} pixels; shrink it, or raise the environment variable {LIMIT}"
        )


def to_rgb(image: Image.Image) -> np.ndarray:
    """Convert a Pillow image of any mode, a band of rows after the other, so that little memory is needed besides.

    Transparent pixels are laid on white, as viewers show them, for what is hidden below them may be anything. 16 bits
    are scaled to 8.

    Returns:
        ``(H, W, 3)`` uint8 RGB, a copy.

    Raises:
        InputError: The pixels are floating-point or wider than 16 bits: nothing says which value is white.
    """
    width, height = image.size
    rows = max(1, _BAND_PIXELS // max(1, width))
    if rows >= height:
        return _band_to_rgb(image)
    pixels = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        pixels[top:bottom] = _band_to_rgb(image.crop((0, top, width, bottom)))
    return pixels


def _band_to_rgb(image: Image.Image) -> np.ndarray:
    if image.mode.startswith("I"):  # 16-bit gray, which Pillow may hold as 32-bit integers
        values = np.asarray(image, dtype=np.int32)
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


def _is_animation(image: Image.Image) -> bool:
    return image.format not in _UNTIMED and bool(getattr(image, "is_animated", False))


def _each(image: Image.Image) -> Iterator[None]:
    """Go to each picture of a file in turn and load it."""
    size, number, found = image.size, 0, False
    while True:
        try:
            image.seek(number)
        except EOFError:
            break
        is_still = number == 0 and getattr(image, "default_image", False)
        is_map = image.format == "MPO" and image.size != size
        if not (is_still or is_map or _is_thumbnail(image)):
            found = True
            _check_size(image)
            image.load()
            yield
        number += 1
    announced = getattr(image, "n_frames", 1)
    if number < announced:
        raise InputError(f"only {number} of {announced} pictures can be read; replace the file")
    if image.format == "GIF" and not _ends_as_gif(Path(image.filename)):  # type: ignore[attr-defined]
        raise InputError(f"the file ends after {number} pictures, before its own end; replace it")
    if not found:
        raise InputError(_RAW)


def _is_thumbnail(image: Image.Image) -> bool:
    """Return whether the current picture is marked as a reduced version of another one."""
    if image.format != "TIFF":
        return False
    tag, bit = _REDUCED
    return bool(int(image.tag_v2.get(tag, 0)) & bit)  # type: ignore[attr-defined]


def _duration(image: Image.Image) -> float:
    """Return how long an animation shows the current picture, s; 0 is shown as 0.1 s, as browsers do."""
    milliseconds = float(image.info.get("duration") or 0)
    return milliseconds / 1000 if milliseconds > 0 else 0.1


def _check_size(image: Image.Image) -> None:
    check_pixels(*image.size)


def _ends_as_gif(path: Path) -> bool:
    """Return whether a GIF's last byte is there; Pillow takes the end of the file for the end of the animation."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 1024))
        return b";" in file.read()[-1024:].rstrip(b"\0")[-1:]


def _check_exif(path: Path) -> None:
    """Raise ``InputError`` if a JPEG has more EXIF segments than any camera writes."""
    with path.open("rb") as file:
        if file.read(2) != b"\xff\xd8":
            return
        segments = 0
        while len(head := file.read(4)) == 4 and head[0] == 0xFF and head[1] != 0xDA:  # the pixels' marker
            body = file.tell() + int.from_bytes(head[2:], "big") - 2
            if head[1] == 0xE1:
                segments += file.read(6) == b"Exif\0\0"
            if segments > _MAX_EXIF_SEGMENTS:
                raise InputError(f"more than {_MAX_EXIF_SEGMENTS} EXIF segments; store the image without metadata")
            file.seek(body)
