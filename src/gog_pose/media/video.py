"""Reading of videos and cameras and writing of videos, frame by frame, by OpenCV."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from gog_pose.errors import InputError
from gog_pose.imaging.reading import check_pixels
from gog_pose.media.contents import kind_of

_SCANNED = 4 << 30  # bytes of a video that are scanned to find its frame rate
_STEADY = 0.75  # frames: largest distance of time stamps from those of a constant frame rate
_FASTEST = 0.05  # share of the shortest times between frames that count as outliers
_MAX_RATE = 240.0  # frames per second of an overlay
_LEVEL = "OPENCV_FFMPEG_LOGLEVEL"
_is_quiet = True


@contextmanager
def opened(source: Path | int, options: tuple[int, ...] = ()) -> Iterator[cv2.VideoCapture]:
    """Open a video file or a camera.

    OpenCV gets the open file, not its name, because it crashes on names that are not UTF-8, interprets ``%`` as a
    sequence of images and takes the text before a colon as a protocol.

    Args:
        source: Path of a file, or number of a camera.
        options: OpenCV properties, each followed by its value.

    Raises:
        InputError: The file or camera does not exist, the file is not a video, or its pictures are too large.
    """
    _silence()
    if isinstance(source, int):
        capture = cv2.VideoCapture(source)
        try:
            if not capture.isOpened():
                raise InputError(f"camera:{source}: cannot be opened; connect it, or give the number of another one")
            yield capture
        finally:
            capture.release()
        return
    if not source.is_file():
        raise InputError(f"{source}: there is no such video file; check the path")
    with source.open("rb") as file:
        if kind_of(source) == "text":  # it may be a playlist, which makes FFmpeg open other files
            raise InputError(f"{source}: is not a video that can be read: it holds text; remove or rename it")
        capture = cv2.VideoCapture(file, cv2.CAP_FFMPEG, options)  # type: ignore[call-overload]  # it takes files
        try:
            if not capture.isOpened():
                raise InputError(f"{source}: is not a video that can be read, or is damaged; replace or convert it")
            try:
                check_pixels(int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)))
            except InputError as error:
                raise InputError(f"{source}: {error}") from None
            yield capture
        finally:
            capture.release()


def frame_rate(capture: cv2.VideoCapture) -> float | None:
    """Return the frames per second that a video or a camera reports; None if it reports none."""
    rate = float(capture.get(cv2.CAP_PROP_FPS))
    return rate if math.isfinite(rate) and rate > 0 else None


def estimated_count(capture: cv2.VideoCapture) -> int | None:
    """Return the number of frames that a video reports, which may be far from the true one; None if unknown."""
    count = float(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    return int(count) if math.isfinite(count) and count > 0 else None


def picture_rate(path: Path) -> float | None:
    """Return the frames per second at which an overlay video can reproduce the time stamps of a video.

    It is the reported frame rate if the time stamps agree with it, otherwise the inverse of the shortest time between
    frames, outliers aside. Packets are read, not decoded.

    Raises:
        InputError: As for ``opened``.
    """
    with opened(path, (cv2.CAP_PROP_FORMAT, -1)) as capture:
        rate, stamps = frame_rate(capture), list[float]()
        share = min(1.0, _SCANNED / max(1, path.stat().st_size))
        most = math.inf if share == 1 else share * (estimated_count(capture) or 0)
        while len(stamps) < most and capture.grab():
            stamps.append(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
    times = np.unique(np.array(stamps))  # sorted: packets come in the order of decoding
    if len(times) < max(2, len(stamps) / 2):  # no usable time stamps
        return rate
    times -= times[0]
    if rate is not None and np.abs(times * rate - np.arange(len(times))).max() < _STEADY:
        return rate
    return float(min(1 / np.quantile(np.diff(times), _FASTEST, method="higher"), _MAX_RATE))


def packet_count(path: Path) -> int:
    """Return the number of encoded frames of a video file.

    Raises:
        InputError: As for ``opened``.
    """
    with opened(path, (cv2.CAP_PROP_FORMAT, -1)) as capture:
        count = 0
        while capture.grab():
            count += 1
    return count


class VideoWriter:
    """Writes pictures of one size as a video, without sound.

    The file appears at its path only when it is complete. Until then it is written to a temporary folder beside the
    path, under a name that every encoder accepts.

    Args:
        path: The output file; replaced if it exists.
        size_hw: Height and width of the pictures, px. Codecs that require even sides leave out an odd last column or
            row of pixels.
        rate: Frames per second.
        codec: Four-letter code of an FFmpeg codec.

    Raises:
        InputError: The file cannot be written with this codec.
    """

    def __init__(self, path: Path, size_hw: tuple[int, int], rate: float, codec: str) -> None:
        _silence()
        height, width = size_hw
        self._path = path
        self._folder = tempfile.TemporaryDirectory(prefix=".video_", dir=path.parent)
        self._part = Path(self._folder.name, f"video{path.suffix}")
        name = os.path.join(os.curdir, self._part)  # begins with "." or "/": a colon marks no protocol
        if not _is_utf8(name):
            self._folder.cleanup()
            raise InputError(f"output: the name of {path.parent} is not UTF-8, so no video can be written; rename it")
        self._writer = cv2.VideoWriter(name, cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), rate, (width, height))
        if not self._writer.isOpened():
            self._folder.cleanup()
            raise InputError(
                f"video.codec: {path} cannot be written by {codec} with {width}x{height} px and {rate:g} frames per"
                " second; set video.codec=vp09, or choose a writable folder"
            )
        self._size_hw = size_hw
        self._rate = rate
        self._written = 0
        self._last: np.ndarray | None = None  # BGR

    def write(self, picture: np.ndarray, *, at: float | None = None) -> None:
        """Append a picture.

        Args:
            picture: ``(H, W, 3)`` uint8 RGB.
            at: Time of the picture, s; the previous picture is repeated until then. None = one frame later.
        """
        assert picture.shape[:2] == self._size_hw  # OpenCV silently skips pictures of other sizes
        if at is not None:
            self.hold(at)
        self._last = np.ascontiguousarray(picture[..., ::-1])
        self._append(self._last)

    def hold(self, until: float) -> None:
        """Repeat the last picture until a time, s."""
        if self._last is not None:
            for _ in range(round(until * self._rate) - self._written):
                self._append(self._last)

    def close(self) -> None:
        """Complete the file, verify it and move it to its path.

        Raises:
            InputError: The file does not contain all frames: the disk is full, or the encoder failed.
        """
        self._writer.release()
        try:
            held = packet_count(self._part)
        except InputError:
            held = 0
        try:
            if held != self._written:
                raise InputError(
                    f"output: {self._path} holds {held} of {self._written} frames after writing; free disk space, or"
                    " choose another video.codec"
                )
            with self._part.open("rb+") as file:
                os.fsync(file.fileno())
            os.replace(self._part, self._path)
        finally:
            self._folder.cleanup()

    def _append(self, pixels: np.ndarray) -> None:
        self._writer.write(pixels)
        self._written += 1


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:  # OpenCV crashes on it
        return False
    return True


def keep_decoder_errors() -> None:
    """Let FFmpeg print errors to the standard error stream of this process; call it before opening a video."""
    global _is_quiet
    _is_quiet = False
    os.environ.pop(_LEVEL, None)


def _silence() -> None:
    """Keep OpenCV and FFmpeg from printing, which may be thousands of lines per damaged frame."""
    if _is_quiet:
        os.environ.setdefault(_LEVEL, "-8")  # "quiet"; read when the first video is opened
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
