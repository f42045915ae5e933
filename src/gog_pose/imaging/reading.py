"""Reading of image files as 8-bit RGB, with one error message per file that cannot be read."""

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

# Pillow's other readers are not used, because files may be hostile: the reader of EPS runs Ghostscript.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
LIMIT = "GOG_MAX_PIXELS"  # an environment variable also affects loading processes and notebooks
DEFAULT_MAX_PIXELS = 120_000_000  # phones take photographs of 108 million
_LARGEST_LIMIT = 2 * (Image.MAX_IMAGE_PIXELS or 0)  # Pillow refuses larger images
_BAND_PIXELS = 1 << 22  # pixels that are converted at once
_MAX_EXIF_SEGMENTS = 16  # of 64 kB; Pillow needs n^2 steps to join n of them
_REDUCED = 254, 1  # TIFF's tag NewSubfileType, and its bit for pages that are a thumbnail of another page
_RAW = "it holds only a thumbnail, as a camera's raw file does; convert it to JPEG or PNG"
_UNTIMED = ("MPO", "TIFF")  # formats with pages instead of frames


class Picture(NamedTuple):
    """One picture of an image file.

    Attributes:
        pixels: ``(H, W, 3)`` uint8 RGB, upright.
        seconds: Time in an animation, s since the first picture; None for pages and images that are not animated.
        duration: Display time in an animation, s; None for others.
    """

    pixels: np.ndarray
    seconds: float | None = None
    duration: float | None = None


def read_image(path: str | Path, *, exif: bool = False) -> np.ndarray:
    """Read an image file; if it has several frames or pages, read the first one and warn.

    Args:
        path: A file in one of the ``FORMATS``.
        exif: Rotate the image by its EXIF orientation. Leave it off for annotated images: COCO's annotations refer to
            the pixels as stored.

    Returns:
        ``(H, W, 3)`` uint8 RGB.

    Raises:
        InputError: The file is missing, not an image, damaged, too large, or its pixels cannot be converted to 8 bits.
    """
    with open_image(path) as image:
        if _is_thumbnail(image):
            raise InputError(_RAW)
        if image.format != "MPO" and getattr(image, "is_animated", False):
            warnings.warn(f"{path}: only the first of its pictures is used", stacklevel=2)
        image.load()
        return to_rgb(ImageOps.exif_transpose(image) if exif else image)


def read_pictures(path: str | Path) -> Iterator[Picture]:
    """Yield the pictures of an image file: the frames of an animation, the pages of a TIFF, or its single image.

    Left out are the still that an APNG contains for programs without animation, the thumbnails of a TIFF, and the gain
    and depth maps in a phone's JPEG, which are smaller than its image.

    Raises:
        InputError: As for ``read_image``; pictures before the damage are yielded first.
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
    """Return the shortest display time of the pictures of an animation, s; None for other images.

    The search ends at damage, which ``read_pictures`` reports.
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
    """Open an image file; errors of Pillow in the header or within the ``with`` block become an ``InputError``.

    Raises:
        InputError: The file is missing, not an image, damaged, too large, or its pixels cannot be converted to 8 bits.
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
    except Exception as error:  # Pillow's readers raise many types of errors on damaged bytes
        raise InputError(f"{path}: the image is damaged ({error or type(error).__name__}); replace the file") from error


def max_pixels() -> int:
    """Return the largest allowed number of pixels per image: ``GOG_MAX_PIXELS`` or the default.

    Raises:
        InputError: ``GOG_MAX_PIXELS`` is not a number in its range.
    """
    value = os.environ.get(LIMIT) or str(DEFAULT_MAX_PIXELS)
    if not (value.isdecimal() and 1 <= int(value) <= _LARGEST_LIMIT):
        raise InputError(f"{LIMIT}: must be a whole number from 1 to {_LARGEST_LIMIT}, got {value!r}")
    return int(value)


def check_pixels(width: int, height: int) -> None:
    """Raise ``InputError`` if an image of this size has more pixels than allowed."""
    limit = max_pixels()
    if width * height > limit:
        raise InputError(
            f"{width}x{height} px are more than {limit:,} pixels; shrink it, or raise the environment variable {LIMIT}"
        )


def to_rgb(image: Image.Image) -> np.ndarray:
    """Convert a Pillow image of any mode, in bands of rows to save memory.

    Transparent images are composed on white, as viewers show them, because the hidden color values are arbitrary.
    16-bit values are scaled to 8 bits.

    Returns:
        ``(H, W, 3)`` uint8 RGB, a copy.

    Raises:
        InputError: The pixels are floating-point or wider than 16 bits, so that the value of white is unknown.
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
    """Return ``(H, W, 3)`` uint8 RGB of a file, rotated by its EXIF orientation, of a Pillow image or of such an array.

    Raises:
        InputError: The file cannot be read, or the array has another shape or type.
    """
    if isinstance(image, str | Path):
        return read_image(image, exif=True)
    if isinstance(image, Image.Image):
        return to_rgb(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise InputError(f"image: expected a (H, W, 3) uint8 RGB array, got {image.shape} {image.dtype}")
    return image


def resolve_inside(root: str | Path, file_name: str) -> Path:
    """Return the path of an image named in an annotation file; it must lie inside a folder.

    Links inside the folder are trusted and may lead out of it; file names may not.

    Args:
        root: The folder of the images.
        file_name: Untrusted name from the annotation file.

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
    """Seek and load each picture of a file in turn."""
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
        raise InputError(f"the file ends after {number} pictures and is incomplete; replace it")
    if not found:
        raise InputError(_RAW)


def _is_thumbnail(image: Image.Image) -> bool:
    """Return whether the current picture is marked as a reduced version of another one."""
    if image.format != "TIFF":
        return False
    tag, bit = _REDUCED
    return bool(int(image.tag_v2.get(tag, 0)) & bit)  # type: ignore[attr-defined]


def _duration(image: Image.Image) -> float:
    """Return the display time of the current picture of an animation, s; 0 counts as 0.1 s, as in browsers."""
    milliseconds = float(image.info.get("duration") or 0)
    return milliseconds / 1000 if milliseconds > 0 else 0.1


def _check_size(image: Image.Image) -> None:
    check_pixels(*image.size)


def _ends_as_gif(path: Path) -> bool:
    """Return whether a GIF has its final byte; Pillow takes the end of the file for the end of the animation."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 1024))
        return b";" in file.read()[-1024:].rstrip(b"\0")[-1:]


def _check_exif(path: Path) -> None:
    """Raise ``InputError`` if a JPEG has more EXIF segments than any camera writes."""
    with path.open("rb") as file:
        if file.read(2) != b"\xff\xd8":
            return
        segments = 0
        while len(head := file.read(4)) == 4 and head[0] == 0xFF and head[1] != 0xDA:  # marker of the pixels
            body = file.tell() + int.from_bytes(head[2:], "big") - 2
            if head[1] == 0xE1:
                segments += file.read(6) == b"Exif\0\0"
            if segments > _MAX_EXIF_SEGMENTS:
                raise InputError(f"more than {_MAX_EXIF_SEGMENTS} EXIF segments; store the image without metadata")
            file.seek(body)
