"""Overlay files: a PNG per image or page, a video per video, camera or animation."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias

import numpy as np

from gog_pose.errors import InputError
from gog_pose.imaging.writing import write_picture
from gog_pose.media.codecs import H264, check_codec, chosen_codec
from gog_pose.media.frames import Camera, Frame, ImageFile, Medium, VideoFile
from gog_pose.media.h264 import H264Writer
from gog_pose.media.video import VideoWriter

Names: TypeAlias = Mapping[str, str]  # "overlay" or the name of a view -> name of the file

_LONGEST_STEM = 180  # bytes; file systems allow 255, including number, view and temporary ending
_NO_PIXELS = np.zeros((0, 0, 3), np.uint8)


class OverlayNames:
    """Names of the output files of each medium.

    Overlays are called ``<stem>.png`` for an image, ``<stem>.mp4`` for a video, a camera or an animation, and
    ``<stem>_page_2.png`` for the second page; views are called ``<stem>_<view>.png`` and so on. The stem gets a number
    if one of these names is taken, and is shortened if it is too long for file systems. Names of animations and of
    later pages are chosen when these are read, all others at once.

    Args:
        media: Sources of the frames.
        folder: The output folder.
        views: Names of the pictures besides the overlay.
        taken: Names that must not be used.

    Raises:
        InputError: An output file would replace one of the media.
    """

    def __init__(
        self, media: Iterable[Medium], folder: Path, views: Collection[str] = (), taken: Iterable[str] = ()
    ) -> None:
        media = list(media)
        self._views = views
        self._used = {_key(name) for name in taken}
        self._next: dict[tuple[str, str], int] = {}  # stem and suffix -> next number to try
        self._names: dict[tuple[Medium, str], Names] = {}
        for medium in media:
            self._give(medium, ".png" if isinstance(medium, ImageFile) else ".mp4")
        there = {path.name: path.resolve() for path in folder.iterdir()} if folder.is_dir() else {}
        replaced = there.keys() & {name for own in self._names.values() for name in own.values()}
        if there:
            sources = {medium.path.resolve() for medium in media if not isinstance(medium, Camera)}
            for name in sorted(replaced):
                if there[name] in sources:
                    raise InputError(
                        f"output: {folder / name} is one of the sources and would be overwritten; give another folder"
                    )
            self._used |= {_key(name) for name, path in there.items() if path in sources}

    def of(self, frame: Frame) -> Names:
        """Return the names of the files of a frame: those of its medium, or those of its page."""
        if frame.seconds is not None:
            return self._give(frame.medium, ".mp4")
        return self._give(frame.medium, f"_page_{frame.number + 1}.png" if frame.number else ".png")

    def _give(self, medium: Medium, ending: str) -> Names:
        if (medium, ending) not in self._names:
            page, suffix = ending[:-4], ending[-4:]
            stem = os.fsdecode(os.fsencode(medium.stem)[:_LONGEST_STEM]) + page
            number = self._next.get((stem, suffix), 1)
            while True:
                own = self._numbered(stem if number == 1 else f"{stem}_{number}", suffix)
                number += 1
                keys = {_key(name) for name in own.values()}
                if not keys & self._used:
                    break
            self._next[stem, suffix] = number
            self._used |= keys
            self._names[medium, ending] = own
        return self._names[medium, ending]

    def _numbered(self, stem: str, suffix: str) -> Names:
        return {"overlay": f"{stem}{suffix}", **{view: f"{stem}_{view}{suffix}" for view in self._views}}


class OverlayFiles:
    """Writes the pictures of one frame after the other; frames of a video are written as a video.

    Each file appears only when it is complete. Videos reproduce the timing of their medium.

    Args:
        folder: The output folder.
        names: Names of the files of each medium.
        codec: ``h264``, which keeps the time stamps and the sound of the source and requires PyAV, or the four-letter
            code of another FFmpeg codec; None = H.264 if PyAV has an encoder, otherwise VP9.
        rate: Constant frames per second of the media; None = use their time stamps.
        every: The frames are every n-th of their medium, so videos have this many times fewer frames per second.

    Raises:
        InputError: ``check_codec`` rejects the codec.
    """

    def __init__(self, folder: Path, names: OverlayNames, *, codec: str | None, rate: float | None, every: int) -> None:
        check_codec(codec)
        self._folder = folder
        self._names = names
        self._codec = codec
        self._rate = rate
        self._every = every
        self._last: Frame | None = None
        self._videos: dict[str, VideoWriter | H264Writer] = {}  # of the current medium

    def __enter__(self) -> OverlayFiles:
        return self

    def __exit__(self, *error: object) -> None:
        self._close()

    def write(self, frame: Frame, pictures: Mapping[str, np.ndarray]) -> Names:
        """Write the pictures of a frame.

        Args:
            frame: The next frame.
            pictures: Name of the picture, "overlay" or a view -> ``(H, W, 3)`` uint8 RGB.

        Returns:
            The names of the files.

        Raises:
            InputError: A video cannot be written, or its frames per second are unknown.
        """
        if self._last is not None and frame.medium != self._last.medium:
            self._close()
        self._last = frame._replace(image=_NO_PIXELS)
        names = self._names.of(frame)
        for kind, picture in pictures.items():
            path = self._folder / names[kind]
            if frame.seconds is None:
                write_picture(path, picture)
                continue
            if kind not in self._videos:
                self._videos[kind] = self._writer(path, picture, frame)
            timed = self._rate is None or isinstance(frame.medium, Camera)
            self._videos[kind].write(picture, at=frame.seconds if timed else None)
        return names

    def _writer(self, path: Path, picture: np.ndarray, frame: Frame) -> VideoWriter | H264Writer:
        size_hw, rate = picture.shape[:2], self._frame_rate(frame)
        codec = chosen_codec(self._codec, size_hw)
        if codec != H264:
            return VideoWriter(path, size_hw, rate, codec)
        sound_of = frame.medium.path if isinstance(frame.medium, VideoFile) and self._rate is None else None
        return H264Writer(path, size_hw, rate, sound_of)

    def _frame_rate(self, frame: Frame) -> float:
        rate = self._rate or frame.rate
        if rate is None:
            raise InputError(f"video.rate: {frame.medium.name} does not state its frames per second; set video.rate")
        return rate / self._every

    def _close(self) -> None:
        last, videos = self._last, self._videos
        self._last, self._videos = None, {}
        with ExitStack() as stack:  # completes all videos even if one fails
            for video in videos.values():
                stack.callback(video.close)
                if last is not None and last.seconds is not None and last.duration is not None and self._rate is None:
                    video.hold(last.seconds + last.duration)


def _key(name: str) -> str:
    """Return a name without the differences that some file systems ignore: case and Unicode composition."""
    return unicodedata.normalize("NFC", name).lower()


class Spread:
    """Keeps a few evenly spaced pictures of a stream of unknown length.

    Args:
        most: Largest number of kept pictures, even; after that many pictures, at least half as many are kept.
    """

    def __init__(self, most: int) -> None:
        self.kept: list[np.ndarray] = []
        self._most = most
        self._step = 1
        self._seen = 0

    def add(self, picture: np.ndarray) -> None:
        """Keep or skip the next picture."""
        if self._seen % self._step == 0:
            if len(self.kept) == self._most:
                del self.kept[1::2]
                self._step *= 2
            self.kept.append(picture)
        self._seen += 1
