"""Where frames come from: image files, videos and cameras, each read one frame at a time."""

from __future__ import annotations

import glob
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

import cv2
import numpy as np

from gog_pose.errors import InputError
from gog_pose.imaging.reading import read_image
from gog_pose.media.video import frame_count, frame_rate, opened

IMAGE_SUFFIXES = frozenset((".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"))
VIDEO_SUFFIXES = frozenset((".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ts", ".webm", ".wmv"))


class Frame(NamedTuple):
    """One picture of a medium.

    Attributes:
        medium: Where it comes from.
        image: ``(H, W, 3)`` uint8 RGB, upright.
        number: Which frame of the video it is, from 0; None of an image file.
        seconds: When it is shown or was taken, since the first; None of an image file.
        rate: Frames a second that the medium claims to have; None if it claims none.
    """

    medium: Medium
    image: np.ndarray
    number: int | None = None
    seconds: float | None = None
    rate: float | None = None


@dataclass(frozen=True)
class _File:
    path: Path

    @property
    def name(self) -> str:
        """What to call it."""
        return str(self.path)

    @property
    def stem(self) -> str:
        """What to call files that are made of it."""
        return self.path.stem


@dataclass(frozen=True)
class ImageFile(_File):
    """An image file: one frame."""

    def count(self) -> int | None:
        """Return the number of its frames."""
        return 1

    def frames(self, every: int = 1) -> Iterator[Frame]:
        """Yield the image, whatever ``every`` is.

        Raises:
            InputError: It cannot be read.
        """
        yield Frame(self, read_image(self.path, exif=True))


@dataclass(frozen=True)
class VideoFile(_File):
    """A video file."""

    def count(self) -> int | None:
        """Return how many frames the file says it has, 0 if it cannot be read; None if it does not say."""
        try:
            with opened(self.path) as capture:
                return frame_count(capture)
        except InputError:
            return 0

    def frames(self, every: int = 1) -> Iterator[Frame]:
        """Yield each n-th frame, the first one first.

        Raises:
            InputError: It cannot be read or, after the frames that can, holds fewer than it says.
        """
        with opened(self.path) as capture:
            announced, rate, number, shape = frame_count(capture), frame_rate(capture), 0, None
            while capture.grab():
                if number % every == 0:
                    readable, pixels = capture.retrieve()
                    if not readable:
                        break
                    if pixels.shape != (shape or pixels.shape):
                        raise InputError(
                            f"{self.path}: frame {number} has another size than the first; convert the file"
                        )
                    shape = pixels.shape
                    yield Frame(self, _rgb(pixels), number, capture.get(cv2.CAP_PROP_POS_MSEC) / 1000, rate)
                number += 1
        if number == 0 or (announced is not None and number < announced):
            raise InputError(
                f"{self.path}: only {number} of {announced or 'its'} frames can be read, the rest is damaged or"
                " missing; replace the file"
            )


@dataclass(frozen=True)
class Camera:
    """A camera: frames without end."""

    index: int

    @property
    def name(self) -> str:
        """What to call it."""
        return f"camera:{self.index}"

    @property
    def stem(self) -> str:
        """What to call files that are made of it."""
        return f"camera_{self.index}"

    def count(self) -> int | None:
        """Return None: nobody knows."""
        return None

    def frames(self, every: int = 1) -> Iterator[Frame]:
        """Yield each n-th frame that comes, until no more do.

        Raises:
            InputError: It cannot be opened, or breaks off.
        """
        with opened(self.index) as capture:
            rate, number, start = frame_rate(capture), 0, time.monotonic()
            while capture.grab():
                if number == 0:
                    start = time.monotonic()
                if number % every == 0:
                    readable, pixels = capture.retrieve()
                    if not readable:
                        break
                    yield Frame(self, _rgb(pixels), number, time.monotonic() - start, rate)
                number += 1
        raise InputError(f"{self.name}: stopped after {number} frames; check its connection")


Medium: TypeAlias = ImageFile | VideoFile | Camera


class Frames:
    """The frames of several media, one after the other, past what cannot be read.

    Args:
        media: In this order.
        every: Of videos and cameras only each n-th frame.

    Attributes:
        unreadable: What was wrong with the media read so far.
    """

    def __init__(self, media: Sequence[Medium], every: int = 1) -> None:
        self._media = media
        self._every = every
        self.unreadable: list[InputError] = []

    def __iter__(self) -> Iterator[Frame]:
        for medium in self._media:
            try:
                yield from medium.frames(self._every)
            except InputError as error:
                self.unreadable.append(error)

    def count(self) -> int | None:
        """Return how many there will be if all can be read; None if a medium does not say."""
        total = 0
        for medium in self._media:
            count = medium.count()
            if count is None:
                return None
            total += -(-count // self._every)
        return total


def find_media(source: str, output: Path) -> list[Medium]:
    """Return what a source means; files are sorted, and told apart by how their names end.

    Args:
        source: A file, a folder, whose subfolders count, a pattern, in which ``**`` stands for any folders, or a camera
            as ``0`` or ``camera:0``.
        output: Left out of the search if it lies inside the source: overlays are no input.

    Raises:
        InputError: There are none.
    """
    camera = re.fullmatch(r"(?:camera:)?(\d+)", source)
    if camera:
        return [Camera(int(camera[1]))]
    path = Path(source)
    if path.is_file():
        return [_medium(path)]
    if path.is_dir():
        suffixes = IMAGE_SUFFIXES | VIDEO_SUFFIXES
        found = [file for file in path.rglob("*") if file.suffix.lower() in suffixes and file.is_file()]
        remedy = f"it holds no file that ends in {', '.join(sorted(suffixes))}"
    else:
        found = [file for file in map(Path, glob.glob(source, recursive=True)) if file.is_file()]
        remedy = "there is no such file or folder, and as a pattern it matches no file"
    root, made = path.resolve(), output.resolve()
    if made not in (root, *root.parents):
        found = [file for file in found if made not in file.resolve().parents]
    if not found:
        raise InputError(f"source: {source}: {remedy}; check the path")
    return [_medium(file) for file in sorted(found)]


def _medium(path: Path) -> Medium:
    return VideoFile(path) if path.suffix.lower() in VIDEO_SUFFIXES else ImageFile(path)


def _rgb(pixels: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))
