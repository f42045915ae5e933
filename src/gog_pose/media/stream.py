"""Several media as one stream of frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gog_pose.errors import InputError
from gog_pose.media.frames import Camera, Frame, Medium, VideoFile
from gog_pose.media.reader import Reader


class Frames:
    """The frames of several media, one after the other; media that cannot be read are skipped.

    Files are read in a separate process, so that a crash of a decoder affects only its file.

    Args:
        media: The media in the order of reading.
        every: Read only every n-th frame of videos, cameras and animations and every n-th page.

    Attributes:
        unreadable: Errors of the media read so far.
    """

    def __init__(self, media: Sequence[Medium], every: int = 1) -> None:
        self._media = media
        self._every = every
        self.unreadable: list[InputError] = []

    def __iter__(self) -> Iterator[Frame]:
        with Reader() as reader:
            for medium in self._media:
                try:
                    if isinstance(medium, Camera):
                        yield from medium.frames(self._every)
                    else:
                        yield from reader.frames(medium, self._every)
                except InputError as error:
                    self.unreadable.append(error)

    def count(self) -> int | None:
        """Return the approximate number of frames; None if a medium does not state it."""
        total = 0
        with Reader() as reader:
            for medium in self._media:
                count = reader.count(medium) if isinstance(medium, VideoFile) else medium.count()
                if count is None:
                    return None
                total += -(-count // self._every)
        return total
