"""Images, videos and cameras, read frame by frame."""

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
        medium: Source of the frame.
        image: ``(H, W, 3)`` uint8 RGB, upright.
        number: Index of the frame or page in the medium, from 0; None for an image and for the first page.
        seconds: Time of the frame, s since the first one; None for an image and for a page.
        rate: Frames per second at which a video can reproduce the timing of the medium; None = unknown.
        duration: Display time, s; None = until the next frame, or unknown.
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
    """An image file with a single image, the frames of an animation, or pages."""

    def count(self) -> int | None:
        """Return 1; the number of further frames or pages is known only after reading."""
        return 1

    def frames(self, every: int = 1) -> Iterator[Frame]:
        """Yield the image, or every n-th frame or page, beginning with the first one.

        Raises:
            InputError: The file cannot be read, or is damaged after the pictures yielded so far.
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
        """Return the approximate number of frames; 0 if the file cannot be read; None if the file does not state it."""
        try:
            with opened(self.path) as capture:
                return estimated_count(capture)
        except InputError:
            return 0

    def frames(self, every: int = 1) -> Iterator[Frame]:
        """Yield every n-th frame, beginning with the first one, with its time in the container.

        Frames without a valid time follow the previous one at the frame rate that the file states.

        Raises:
            InputError: The file cannot be read, or is incomplete after the frames yielded so far.
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
    """A camera: an endless source of frames."""

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
        """Return None: the number is unknown."""
        return None

    def frames(self, every: int = 1) -> Iterator[Frame]:
        """Yield every n-th frame until the camera stops.

        Raises:
            InputError: The camera cannot be opened, or has stopped.
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
    """Return whether an AVI file is shorter than its header states; FFmpeg reports this for other containers."""
    with path.open("rb") as file:
        head = file.read(8)
    length = int.from_bytes(head[4:], "little")
    unknown = (0, 0xFFFFFFFF)  # in recordings that were not finished
    return head[:4] == b"RIFF" and length not in unknown and length + 8 > path.stat().st_size


def _rgb(pixels: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))
