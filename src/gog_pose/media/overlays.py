"""The files that pictures of frames become: a PNG of an image, a video of a video's or a camera's frames."""

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

Names: TypeAlias = Mapping[str, str]  # what a picture shows, "overlay" or a view, -> name of the file

_LONGEST_STEM = 180  # bytes; file systems take names of 255, with number, view and temporary ending
_NO_PIXELS = np.zeros((0, 0, 3), np.uint8)


class OverlayNames:
    """The names of the files of each medium.

    They are ``<stem>.png`` for the overlay of an image, ``<stem>.mp4`` of a video, a camera or an animation,
    ``<stem>_page_2.png`` of the second page, and ``<stem>_<view>.png`` ... of a view. The stem gets a number where one
    of these is taken, and is cut where it is too long for a file system. Names of animations and of later pages are
    given when they are met, all others at once.

    Args:
        media: Where the frames come from.
        folder: Where the files go.
        views: What to draw besides the overlay.
        taken: Names that are not to be used.

    Raises:
        InputError: A file would replace one of the media.
    """

    def __init__(
        self, media: Iterable[Medium], folder: Path, views: Collection[str] = (), taken: Iterable[str] = ()
    ) -> None:
        media = list(media)
        self._views = views
        self._used = {_key(name) for name in taken}
        self._next: dict[tuple[str, str], int] = {}  # of a stem and a suffix, the number to try
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
        """Return the names of the files of a frame: those of its medium, or of its own if it is a page."""
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
    """Writes the pictures of one frame after the other; those of a video are a video.

    Each file appears when it is complete. Videos show each frame as long as the medium does.

    Args:
        folder: Where the files go.
        names: Of the files of each medium.
        codec: ``h264``, which has the time stamps and the sound of the source and needs PyAV, or other four letters
            that FFmpeg knows the codec of videos by; None = H.264 if PyAV has an encoder, otherwise VP9.
        rate: Frames per second of the media, of which each is shown equally long; None = as their time stamps say.
        every: The source's frames are each n-th of the medium's: videos have fewer frames per second.

    Raises:
        InputError: The codec is refused, as of ``check_codec``.
    """

    def __init__(self, folder: Path, names: OverlayNames, *, codec: str | None, rate: float | None, every: int) -> None:
        check_codec(codec)
        self._folder = folder
        self._names = names
        self._codec = codec
        self._rate = rate
        self._every = every
        self._last: Frame | None = None
        self._videos: dict[str, VideoWriter | H264Writer] = {}  # of the medium under way

    def __enter__(self) -> OverlayFiles:
        return self

    def __exit__(self, *error: object) -> None:
        self._close()

    def write(self, frame: Frame, pictures: Mapping[str, np.ndarray]) -> Names:
        """Write the pictures of a frame.

        Args:
            frame: The next one.
            pictures: ``(H, W, 3)`` uint8 RGB for each name of its medium.

        Returns:
            The names of the files.

        Raises:
            InputError: A video cannot be written, or nothing says how many frames per second it has.
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
            raise InputError(f"video.rate: {frame.medium.name} does not say how many frames a second it has; set it")
        return rate / self._every

    def _close(self) -> None:
        last, videos = self._last, self._videos
        self._last, self._videos = None, {}
        with ExitStack() as stack:  # all are completed, whatever becomes of one
            for video in videos.values():
                stack.callback(video.close)
                if last is not None and last.seconds is not None and last.duration is not None and self._rate is None:
                    video.hold(last.seconds + last.duration)


def _key(name: str) -> str:
    """Return what two names share that are one file for some file systems: case and composition of letters."""
    return unicodedata.normalize("NFC", name).lower()


class Spread:
    """Keeps a few pictures of a stream whose length nobody knows, evenly spread.

    Args:
        most: How many at most, an even number; at least half as many are kept once there were that many.
    """

    def __init__(self, most: int) -> None:
        self.kept: list[np.ndarray] = []
        self._most = most
        self._step = 1
        self._seen = 0

    def add(self, picture: np.ndarray) -> None:
        """Take the next picture; keep it or not."""
        if self._seen % self._step == 0:
            if len(self.kept) == self._most:
                del self.kept[1::2]
                self._step *= 2
            self.kept.append(picture)
        self._seen += 1
