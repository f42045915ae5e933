"""Writing of H.264 videos with the time stamps and the sound of their source by PyAV (the extra ``video``)."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from gog_pose.errors import InputError

_log = logging.getLogger(__name__)
_CLOCK = 90_000  # ticks per second: a multiple of all usual frame rates
# Encoders with permissive licenses come first. libx264 (GPL) is the one in the wheels of PyAV on PyPI.
_ENCODERS = ("libopenh264", "h264_videotoolbox", "h264_mf", "libx264")
_IN_MP4 = ("aac", "mp3", "ac3", "eac3", "alac", "opus", "flac")  # audio codecs that players accept in MP4


def encoder() -> str | None:
    """Return the name of PyAV's H.264 encoder; None if PyAV is not installed or has no such encoder."""
    if importlib.util.find_spec("av") is None:
        return None
    av = importlib.import_module("av")
    return next((name for name in _ENCODERS if _exists(av, name)), None)


def _exists(av: Any, name: str) -> bool:
    try:
        av.codec.Codec(name, "w")
    except ValueError:  # av.codec.codec.UnknownCodecError
        return False
    return True


class H264Writer:
    """Writes pictures of one size as H.264 in MP4 (``yuv420p``), with the index at the start for web players.

    The file appears at its path only when it is complete. An odd last column or row of pixels is left out.

    Args:
        path: The output file; replaced if it exists.
        size_hw: Height and width of the pictures, px; each at least 2.
        rate: Frames per second, for pictures without a time and for the encoder.
        sound_of: File whose first audio stream is copied, or converted to AAC if MP4 does not support its codec; None =
            no sound.

    Raises:
        InputError: The file cannot be written.
    """

    def __init__(self, path: Path, size_hw: tuple[int, int], rate: float, sound_of: Path | None = None) -> None:
        self._av = importlib.import_module("av")
        name = encoder()
        assert name is not None
        self._path = path
        self._rate = rate
        self._sound_of = sound_of
        self._last = -1  # tick
        self._written = 0
        self._picture: Any = None
        self._height, self._width = (side // 2 * 2 for side in size_hw)
        self._folder = tempfile.TemporaryDirectory(prefix=".video_", dir=path.parent)
        self._part = Path(self._folder.name, "video.mp4")
        try:
            self._file = self._av.open(str(self._part), "w", options={"movflags": "+faststart"})
            self._stream = self._file.add_stream(name, rate=Fraction(rate).limit_denominator(1001))
            self._stream.width, self._stream.height, self._stream.pix_fmt = self._width, self._height, "yuv420p"
            self._stream.codec_context.time_base = Fraction(1, _CLOCK)
            self._stream.codec_context.options = {"crf": "20"} if name == "libx264" else {}
            if name != "libx264":
                self._stream.bit_rate = int(0.15 * self._width * self._height * min(rate, 60.0))
            self._source: Any = None
            self._sound: Any = None
            if sound_of is not None:
                self._add_sound(sound_of)
        except (self._av.FFmpegError, OSError, ValueError) as error:
            self._folder.cleanup()
            raise InputError(f"output: {path} cannot be written as H.264 ({error}); set video.codec=vp09") from error

    def write(self, picture: np.ndarray, *, at: float | None = None) -> None:
        """Append a picture, ``(H, W, 3)`` uint8 RGB, at the time ``at``, s; None = at the constant frame rate."""
        seconds = self._written / self._rate if at is None else at
        self._picture = np.ascontiguousarray(picture[: self._height, : self._width])
        self._append(max(round(seconds * _CLOCK), self._last + 1))

    def hold(self, until: float) -> None:
        """Show the last picture until a time, s."""
        tick = round((until - 1 / self._rate) * _CLOCK)
        if self._picture is not None and tick > self._last:
            self._append(tick)

    def close(self) -> None:
        """Complete the file, verify it and move it to its path.

        Raises:
            InputError: The file cannot be completed, or does not contain all frames that were written.
        """
        try:
            self._file.mux(self._stream.encode(None))
            try:
                self._copy_sound()
            except self._av.FFmpegError as error:
                _log.warning(
                    "%s: the sound is damaged (%s); %s contains it up to the damage", self._sound_of, error, self._path
                )
            self._file.close()
            with self._av.open(str(self._part)) as written:
                held = sum(packet.size > 0 for packet in written.demux(video=0))
            if held != self._written:
                raise InputError(f"output: {self._path} holds {held} of {self._written} frames; free disk space")
            with self._part.open("rb+") as file:
                os.fsync(file.fileno())
            os.replace(self._part, self._path)
        except self._av.FFmpegError as error:
            raise InputError(f"output: {self._path} cannot be completed ({error}); free disk space") from error
        finally:
            if self._source is not None:
                self._source.close()
            self._folder.cleanup()

    def _append(self, tick: int) -> None:
        frame = self._av.VideoFrame.from_ndarray(self._picture, format="rgb24")
        frame.pts, frame.time_base = tick, Fraction(1, _CLOCK)
        self._file.mux(self._stream.encode(frame))
        self._last = tick
        self._written += 1

    def _add_sound(self, path: Path) -> None:
        self._source = self._av.open(str(path.resolve()))
        streams = self._source.streams.audio
        if not streams:
            return
        if streams[0].codec_context.codec.canonical_name in _IN_MP4:
            self._sound = self._file.add_stream_from_template(streams[0])
        else:
            self._sound = self._file.add_stream("aac", rate=streams[0].rate)

    def _copy_sound(self) -> None:
        """Copy the sound from the first picture of the source to the last written one."""
        if self._sound is None or self._last < 0:
            return
        source = self._source.streams.audio[0]
        video = self._source.streams.video[0]
        start = float((video.start_time or 0) * video.time_base)
        end = start + self._last / _CLOCK + 1 / self._rate
        is_copied = source.codec_context.codec.canonical_name in _IN_MP4
        for packet in self._source.demux(source):
            if packet.dts is None:
                continue
            if float(packet.pts * packet.time_base) >= end:
                break
            if is_copied:
                shift = round(start / packet.time_base)
                packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, self._sound
                self._file.mux(packet)
                continue
            for frame in packet.decode():
                frame.pts -= round(start / frame.time_base)
                self._file.mux(self._sound.encode(frame))
        if not is_copied:
            self._file.mux(self._sound.encode(None))
