"""Images, videos and cameras, each read one frame at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

import cv2
import numpy as np

from gog_pose.errors import InputError
from gog_pose.imaging.reading import read_pictures, shortest_duration
from gog_pose.media.video import estimated_count, frame_rate, opened, picture_rate


class Frame(NamedTuple):
    """One picture of a medium.

    Attributes:
        medium: Where it comes from.
        image: ``(H, W, 3)`` uint8 RGB, upright.
        number: Which frame or page of the medium it is, from 0; None of an image and of the first page.
        seconds: When it is shown or was taken, since the first; None of an image and of a page.
        rate: Frames per second that show each frame of the medium as long as it does; None if that is unknown.
        duration: How long it is shown, s; None if it is shown until the next, or that is unknown.
    """

    medium: Medium
    image: np.ndarray
    number: int | None = None
    seconds: float | None = None
    rate: float | None = None
    duration: float | None = None


@dataclass(frozen=True)
class _File:
    path: Path

    @property
    def name(self) -> str:
        """Name for messages."""
        return str(self.path)

    @property
    def stem(self) -> str:
        """Stem of the names of its output files."""
        return self.path.stem


@dataclass(frozen=True)
class ImageFile(_File):
    """An image file: one frame, those of an animation, or pages."""

    def count(self) -> int | None:
        """Return 1: whether there are more shows when it is read."""
        return 1

    def frames(self, every: int = 1) -> Iterator[Frame]:
        """Yield the image; of an animation or of pages each n-th picture, the first one first.

        Raises:
            InputError: It cannot be read or, after the pictures that can, is damaged.
        """
        duration = shortest_duration(self.path)
        rate = 1 / duration if duration else None
        for number, picture in enumerate(read_pictures(self.path)):
            if number % every == 0:
                is_first_page = picture.seconds is None and number == 0
                place = None if is_first_page else number
                yield Frame(self, picture.pixels, place, picture.seconds, rate, picture.duration)


@dataclass(frozen=True)
class VideoFile(_File):
    """A video file."""

    def count(self) -> int | None:
        """Return about how many frames the file holds, 0 if it cannot be read; None if it does not say."""
        try:
            with opened(self.path) as capture:
                return estimated_count(capture)
        except InputError:
            return 0

    def frames(self, every: int = 1) -> Iterator[Frame]:
        """Yield each n-th frame, the first one first, with the time that the container gives it.

        Frames without a time of their own follow the one before at the rate that the file claims.

        Raises:
            InputError: It cannot be read or, after the frames that can, ends too early.
        """
        rate = picture_rate(self.path)
        with opened(self.path) as capture:
            claimed, number, shape = frame_rate(capture), 0, None
            start = seconds = 0.0
            while capture.grab():
                stamp = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                if number == 0:
                    start = stamp
                elif stamp - start > seconds:
                    seconds = stamp - start
                elif claimed is not None:
                    seconds += 1 / claimed
                if number % every == 0:
                    readable, pixels = capture.retrieve()
                    if not readable:
                        raise InputError(f"{self.path}: frame {number} cannot be read; convert the file")
                    if pixels.shape != (shape or pixels.shape):
                        raise InputError(
                            f"{self.path}: frame {number} has another size than the first; convert the file"
                        )
                    shape = pixels.shape
                    yield Frame(self, _rgb(pixels), number, seconds, rate)
                number += 1
        if number == 0:
            raise InputError(f"{self.path}: no frame can be read; replace or convert the file")
        if _is_cut_off(self.path):
            raise InputError(f"{self.path}: the file ends after {number} frames and is incomplete; replace it")


@dataclass(frozen=True)
class Camera:
    """A camera: frames without end."""

    index: int

    @property
    def name(self) -> str:
        """Name for messages."""
        return f"camera:{self.index}"

    @property
    def stem(self) -> str:
        """Stem of the names of its output files."""
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


def _is_cut_off(path: Path) -> bool:
    """Return whether an AVI is shorter than it says; of other containers FFmpeg reports it."""
    with path.open("rb") as file:
        head = file.read(8)
    length = int.from_bytes(head[4:], "little")
    unknown = (0, 0xFFFFFFFF)  # of a recording that was not ended
    return head[:4] == b"RIFF" and length not in unknown and length + 8 > path.stat().st_size


def _rgb(pixels: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))
