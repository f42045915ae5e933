"""Common records of all formats: images, people with named keypoints, and items that could not be converted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from gog_pose.errors import InputError

Point = tuple[float, float, int]  # x, y (px, original image) and COCO's visibility 0/1/2


class Person(NamedTuple):
    """One annotated person.

    Attributes:
        item: The annotation in its file, for messages.
        points: The labeled keypoints by name.
        box: x, y, width, height, px of the original image; None = derive it from the keypoints.
        extra: Fields of COCO's format that are kept unchanged: ``area``, ``iscrowd``, ``segmentation``.
    """

    item: str
    points: Mapping[str, Point]
    box: tuple[float, float, float, float] | None = None
    extra: Mapping[str, Any] = {}


class Picture(NamedTuple):
    """One image and its people.

    Attributes:
        path: The image file.
        name: Path in the folder of its split in the imported data set, with slashes.
        split: ``train``, ``val`` or ``test``; None if the source has no splits.
        people: The people of the image.
        upright: Whether coordinates refer to the image rotated by its EXIF orientation.
        size: ``(width, height)`` of the image in the annotations, px; None if they do not state it.
    """

    path: Path
    name: str
    split: str | None
    people: Sequence[Person]
    upright: bool
    size: tuple[int, int] | None = None


class LeftOut(NamedTuple):
    """An item that should have been converted but could not be; it makes the import end with exit code 1.

    Attributes:
        file: The file of the item.
        item: The part of the file; empty = the whole file.
        reason: The problem and the remedy.
    """

    file: str
    item: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}: {self.item}: {self.reason}" if self.item else f"{self.file}: {self.reason}"


@dataclass
class Import:
    """The data set that was read from a source.

    Attributes:
        format: Name of the format.
        pictures: The images.
        keypoints: K names in the order of the source.
        limbs: Pairs of names; None if the source has no limbs.
        flip: Keypoint name -> name of its mirror image; None if the source does not contain it.
        left_out: Items that could not be converted.
        passed_over: Numbers of items that do not belong in a keypoint data set, by kind.
        notes: Decisions to report to the user.
    """

    format: str
    pictures: list[Picture] = field(default_factory=list)
    keypoints: tuple[str, ...] = ()
    limbs: Sequence[tuple[str, str]] | None = None
    flip: Mapping[str, str] | None = None
    left_out: list[LeftOut] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def leave_out(self, file: str | Path, item: str, reason: object) -> None:
        """Record an item that is not converted; a file and an item at the start of the reason are removed from it."""
        text = str(reason).removeprefix(f"{file}: ").removeprefix(f"{item}: ")
        self.left_out.append(LeftOut(str(file), item, text))


@dataclass(frozen=True)
class Options:
    """Options that describe a source.

    Attributes:
        images: Folder of the images, if they are not beside the annotations.
        category: Name, or names, of the classes of people; None = the rule of the format.
        keypoints: Names of the keypoints, in order; None = the names in the source.
        one_based: Whether coordinates of MPII's format start at 1.
    """

    images: Path | None = None
    category: str | Sequence[str] | None = None
    keypoints: Sequence[str] | None = None
    one_based: bool = True

    def wants(self, name: str) -> bool:
        """Return whether a class with this name is a class of people."""
        names = [self.category] if isinstance(self.category, str) else self.category
        return names is None or name.strip().casefold() in {one.strip().casefold() for one in names}

    def numbered(self, count: int) -> tuple[str, ...]:
        """Return names for keypoints without names: those of the option, or ``keypoint_1``, ``keypoint_2`` ...

        Raises:
            InputError: The option has another number of names.
        """
        if self.keypoints is None:
            return tuple(f"keypoint_{index}" for index in range(1, count + 1))
        if len(self.keypoints) != count:
            raise InputError(f"keypoints: {len(self.keypoints)} names, but the source has {count}; correct it")
        return tuple(self.keypoints)


_SPLITS = {
    "train": "train", "training": "train", "trainval": "train", "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip


def split_named(name: str) -> str | None:
    """Return ``train``, ``val`` or ``test`` for the usual names of splits, such as ``valid`` or ``train2017``."""
    return _SPLITS.get(name.casefold().rstrip("0123456789-_ "))


def only(names: Iterable[str], what: str) -> str | None:
    """Return the common value of equal names, or None if there are no names.

    Raises:
        InputError: The names differ.
    """
    found = sorted(set(names))
    if len(found) > 1:
        raise InputError(f"{what}: there are several ({', '.join(found)}); choose one with the option category")
    return found[0] if found else None
