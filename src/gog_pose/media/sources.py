"""Search for the media of a source: files, folders, patterns and cameras."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from gog_pose.errors import InputError
from gog_pose.media.contents import Kind, kind_of
from gog_pose.media.frames import Camera, ImageFile, Medium, VideoFile

IMAGE_SUFFIXES = frozenset((
    ".avif", ".bmp", ".gif", ".heic", ".heif", ".jfif", ".jpe", ".jpeg", ".jpg", ".jxl", ".mpo", ".png", ".pbm", ".pgm",
    ".ppm", ".tif", ".tiff", ".webp",
))  # fmt: skip
VIDEO_SUFFIXES = frozenset((
    ".3g2", ".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf",
    ".ogv", ".ts", ".vob", ".webm", ".wmv",
))  # fmt: skip
_SHARED_SUFFIXES = frozenset((".mts", ".ts"))  # also of TypeScript files


class Sources(NamedTuple):
    """The media of a source, and the files and folders that were left out.

    Attributes:
        media: The media, sorted by path.
        passed_over: Numbers of other files in a folder per file name ending in lower case.
        unreadable: One error per folder or file that cannot be opened.
    """

    media: list[Medium]
    passed_over: Counter[str]
    unreadable: list[InputError]


def find_media(source: str, output: Path, option: str = "source") -> Sources:
    """Find the media of a source. Files are classified by their first bytes, or else by their name endings.

    Args:
        source: A file, a folder (searched with its subfolders), a pattern (``**`` matches any folders) or a camera:
            ``camera:0``, or ``0`` if no such file exists.
        output: The output folder, left out of the search if it lies inside the source, because overlays are no input.
        option: Name of the option, for messages.

    Raises:
        InputError: There are no media.
    """
    path = Path(source)
    camera = re.fullmatch(r"(?:camera:)?(\d+)", source)
    if camera and not path.exists():
        return Sources([Camera(int(camera[1]))], Counter(), [])
    if path.is_file():
        return Sources([_medium(path, _kind(path))], Counter(), [])
    found = Sources([], Counter(), [])
    root, made = path.resolve(), output.resolve()
    left_out = None if made in (root, *root.parents) else made
    if path.is_dir():
        for file in sorted(_files(path, left_out, found.unreadable)):
            _add(file, found)
        remedy = "it holds no image or video"
        if found.passed_over:
            remedy += f", but {described(found.passed_over)}"
    else:
        for file in sorted(map(Path, glob.glob(source, recursive=True))):
            if file.is_file() and left_out not in file.resolve().parents:
                found.media.append(_medium(file, _kind(file)))
        remedy = "there is no such file or folder, and as a pattern it matches no file"
    if not found.media:
        raise found.unreadable[0] if found.unreadable else InputError(f"{option}: {source}: {remedy}; check the path")
    return found


def described(passed_over: Counter[str]) -> str:
    """Return a description of the files that were passed over: their number and their name endings."""
    number = passed_over.total()
    endings = ", ".join(f"{count} {suffix or 'without'}" for suffix, count in passed_over.most_common(8))
    more = ", ..." if len(passed_over) > 8 else ""
    return f"{number} {'files' if number > 1 else 'file'} with other endings ({endings}{more})"


def _files(folder: Path, left_out: Path | None, unreadable: list[InputError]) -> Iterator[Path]:
    """Yield the files of a folder and its subfolders, including linked folders; visit each folder once."""

    def note(error: OSError) -> None:
        unreadable.append(InputError(f"{error.filename}: the folder cannot be read ({error.strerror})"))

    seen = {folder.resolve()}
    for parent, folders, names in os.walk(folder, onerror=note, followlinks=True):
        kept = []
        for name in folders:
            resolved = Path(parent, name).resolve()
            if resolved != left_out and resolved not in seen:
                seen.add(resolved)
                kept.append(name)
        folders[:] = kept
        yield from (Path(parent, name) for name in names)


def _add(file: Path, found: Sources) -> None:
    """Add a file of a folder to the media or to the other files."""
    suffix = file.suffix.lower()
    try:
        kind = kind_of(file) if file.is_file() else None
    except OSError as error:
        found.unreadable.append(InputError(f"{file}: cannot be read ({error.strerror}); check its permissions"))
        return
    named = suffix in IMAGE_SUFFIXES | VIDEO_SUFFIXES and not (suffix in _SHARED_SUFFIXES and kind != "video")
    if kind in ("image", "video") or named:
        found.media.append(_medium(file, kind))
    else:
        found.passed_over[suffix] += 1


def _kind(path: Path) -> Kind | None:
    try:
        return kind_of(path)
    except OSError:  # reported when the file is read
        return None


def _medium(path: Path, kind: Kind | None) -> Medium:
    if kind == "image" or (kind != "video" and path.suffix.lower() in IMAGE_SUFFIXES):
        return ImageFile(path)
    return VideoFile(path)
