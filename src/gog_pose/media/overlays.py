"""The files that pictures of frames become: a PNG of an image, a video of a video's or a camera's frames."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image

from gog_pose.errors import InputError
from gog_pose.media.frames import Camera, Frame, ImageFile, Medium
from gog_pose.media.video import VideoWriter

Names: TypeAlias = Mapping[str, str]  # what a picture shows, "overlay" or a view, -> name of the file


class OverlayFiles:
    """Writes the pictures of one frame after the other; those of a video are a video.

    Args:
        folder: Where the files go.
        names: Of the files of each medium.
        codec: Four letters that FFmpeg knows the codec of videos by.
        rate: Frames a second of videos; None = as the source says.
        every: The source's frames are each n-th of the medium's: videos have fewer frames a second.
    """

    def __init__(
        self, folder: Path, names: Mapping[Medium, Names], *, codec: str, rate: float | None, every: int
    ) -> None:
        self._folder = folder
        self._names = names
        self._codec = codec
        self._rate = rate
        self._every = every
        self._medium: Medium | None = None
        self._videos: dict[str, VideoWriter] = {}  # of the medium under way

    def __enter__(self) -> OverlayFiles:
        return self

    def __exit__(self, *error: object) -> None:
        self._close()

    def write(self, frame: Frame, pictures: Mapping[str, np.ndarray]) -> None:
        """Write the pictures of a frame.

        Args:
            frame: The next one.
            pictures: ``(H, W, 3)`` uint8 RGB for each name of its medium.

        Raises:
            InputError: A video cannot be written, or nothing says how many frames a second it has.
        """
        if frame.medium != self._medium:
            self._close()
            self._medium = frame.medium
        for kind, picture in pictures.items():
            path = self._folder / self._names[frame.medium][kind]
            if isinstance(frame.medium, ImageFile):
                Image.fromarray(picture).save(path)
                continue
            if kind not in self._videos:
                self._videos[kind] = VideoWriter(path, picture.shape[:2], self._frame_rate(frame), self._codec)
            live = isinstance(frame.medium, Camera)  # it gives as many frames as the network has time for
            self._videos[kind].write(picture, until=frame.seconds if live else None)

    def _frame_rate(self, frame: Frame) -> float:
        rate = self._rate or frame.rate
        if rate is None:
            raise InputError(f"video.rate: {frame.medium.name} does not say how many frames a second it has; set it")
        return rate / self._every

    def _close(self) -> None:
        for video in self._videos.values():
            video.close()
        self._videos = {}


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


def overlay_names(
    media: Sequence[Medium], views: Collection[str] = (), taken: Iterable[str] = ()
) -> dict[Medium, Names]:
    """Return the names of the files of each medium.

    Args:
        media: Where the frames come from.
        views: What to draw besides the overlay.
        taken: Names that are not to be used.

    Returns:
        ``<stem>.png`` or ``<stem>.mp4`` for the overlay, ``<stem>_<view>.png`` ... for a view; the stem gets a number
        where one of these is taken.
    """
    used = set(taken)
    names: dict[Medium, Names] = {}
    for medium in media:
        suffix = ".png" if isinstance(medium, ImageFile) else ".mp4"
        stem, number = medium.stem, 1
        while True:
            own = {"overlay": f"{stem}{suffix}", **{view: f"{stem}_{view}{suffix}" for view in views}}
            lowered = {name.lower() for name in own.values()}  # some file systems know no case
            if not lowered & used:
                break
            number += 1
            stem = f"{medium.stem}_{number}"
        used |= lowered
        names[medium] = own
    return names


def refuse_to_overwrite(media: Iterable[Medium], files: Iterable[Path]) -> None:
    """Raise ``InputError`` if one of the files to write is a medium."""
    sources = {medium.path.resolve() for medium in media if not isinstance(medium, Camera)}
    for file in files:
        if file.resolve() in sources:
            raise InputError(f"output: {file} is one of the sources and would be overwritten; give another folder")
