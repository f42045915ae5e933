"""Videos and cameras, read and written frame by frame by OpenCV."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from gog_pose.errors import InputError


@contextmanager
def opened(source: Path | int) -> Iterator[cv2.VideoCapture]:
    """Open a video file or the camera of a number.

    What OpenCV and FFmpeg themselves print is silenced: thousands of lines for one damaged frame.

    Raises:
        InputError: There is no such file or camera, or the file is no video.
    """
    if isinstance(source, Path) and not source.is_file():
        raise InputError(f"{source}: there is no such video file; check the path")
    _silence()
    capture = cv2.VideoCapture(source if isinstance(source, int) else str(source))
    try:
        if not capture.isOpened():
            if isinstance(source, int):
                raise InputError(f"camera:{source}: cannot be opened; connect it, or give the number of another one")
            raise InputError(f"{source}: is not a video that can be read, or is damaged; replace or convert it")
        yield capture
    finally:
        capture.release()


def frame_rate(capture: cv2.VideoCapture) -> float | None:
    """Return the frames a second that a video or a camera claims to have; None if it claims none."""
    rate = float(capture.get(cv2.CAP_PROP_FPS))
    return rate if math.isfinite(rate) and rate > 0 else None


def frame_count(capture: cv2.VideoCapture) -> int | None:
    """Return how many frames a video says it has; None if it does not say."""
    count = float(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    return int(count) if math.isfinite(count) and count > 0 else None


class VideoWriter:
    """Writes pictures of one size as a video, without sound.

    Args:
        path: The file; replaced if it exists.
        size_hw: Of the pictures, px. A codec takes even sides only: of an odd one the last column or row is left out.
        rate: Frames a second.
        codec: Four letters that FFmpeg knows the codec by.

    Raises:
        InputError: The file cannot be written, or not by this codec.
    """

    def __init__(self, path: Path, size_hw: tuple[int, int], rate: float, codec: str) -> None:
        _silence()
        height, width = size_hw
        self._writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), rate, (width, height))
        if not self._writer.isOpened():
            path.unlink(missing_ok=True)
            raise InputError(
                f"video.codec: {path} cannot be written by {codec} with {width}x{height} px and {rate:g} frames a"
                " second; choose another codec (mp4v, vp09, ...) or a writable folder"
            )
        self._size_hw = size_hw
        self._rate = rate
        self._written = 0

    def write(self, picture: np.ndarray, *, until: float | None = None) -> None:
        """Append a picture.

        Args:
            picture: ``(H, W, 3)`` uint8 RGB.
            until: Repeat it until the video is this long, s.
        """
        assert picture.shape[:2] == self._size_hw  # OpenCV would leave it out without a word
        missing = 1 if until is None else max(1, math.floor(until * self._rate) + 1 - self._written)
        for _ in range(missing):
            self._writer.write(np.ascontiguousarray(picture[..., ::-1]))
        self._written += missing

    def close(self) -> None:
        """Complete the file."""
        self._writer.release()


def _silence() -> None:
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # FFmpeg's "quiet"; read when the first video is opened
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
