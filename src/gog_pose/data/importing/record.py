"""Records that all formats are read into: people by keypoint name, and what could not be converted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from gog_pose.errors import InputError

Point = tuple[float, float, int]  # x, y (px, original image) and visibility 0/1/2, as COCO has it


class Person(NamedTuple):
    """One annotated person.

    Attributes:
        item: Which annotation of its file it is, for messages.
        points: The labelled keypoints by name.
        box: x, y, width, height, px of the original image; None = it follows from the keypoints.
        extra: Fields of COCO's format that are kept as they are: ``area``, ``iscrowd``, ``segmentation``.
    """

    item: str
    points: Mapping[str, Point]
    box: tuple[float, float, float, float] | None = None
    extra: Mapping[str, Any] = {}


class Picture(NamedTuple):
    """One image and its people.

    Attributes:
        path: The image file.
        name: Its path below the folder of its split in the imported data set, with slashes.
        split: ``train``, ``val``, ``test``, or None where the source does not say.
        people: Its people.
        upright: Whether coordinates refer to the image turned upright as its EXIF orientation says.
        size: ``(width, height)`` that the annotations are for, px; None where the source does not say.
    """

    path: Path
    name: str
    split: str | None
    people: Sequence[Person]
    upright: bool
    size: tuple[int, int] | None = None


class LeftOut(NamedTuple):
    """Something that was not converted although it is part of the data: the import ends with exit code 1.

    Attributes:
        file: The file that it is in.
        item: Which part of the file; empty = all of it.
        reason: What is wrong, and what to do.
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
        keypoints: K names, in the order of the source.
        limbs: Pairs of names, as far as the source says them; None = it does not.
        flip: Name of each keypoint's mirror image; None where the source does not say.
        left_out: What was not converted.
        passed_over: Numbers of what has no place in a keypoint data set, by kind.
        notes: Decisions that the user should know of.
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
        """Note something that is not converted; file names at the start of a reason are not repeated."""
        text = str(reason).removeprefix(f"{file}: ").removeprefix(f"{item}: ")
        self.left_out.append(LeftOut(str(file), item, text))


@dataclass(frozen=True)
class Options:
    """Options that describe a source.

    Attributes:
        images: Folder of the images, where they do not lie beside the annotations.
        category: Name, or names, of the classes that are the people; None = the format's rule.
        keypoints: Names of the keypoints, in order; None = those of the source.
        one_based: Whether coordinates of MPII's format begin at 1.
    """

    images: Path | None = None
    category: str | Sequence[str] | None = None
    keypoints: Sequence[str] | None = None
    one_based: bool = True

    def wants(self, name: str) -> bool:
        """Return whether a class of this name is meant."""
        names = [self.category] if isinstance(self.category, str) else self.category
        return names is None or name.strip().casefold() in {one.strip().casefold() for one in names}

    def numbered(self, count: int) -> tuple[str, ...]:
        """Return the given names of keypoints that a format only numbers, else ``keypoint_1``, ``keypoint_2`` ...

        Raises:
            InputError: The user gave another number of names.
        """
        if self.keypoints is None:
            return tuple(f"keypoint_{index}" for index in range(1, count + 1))
        if len(self.keypoints) != count:
            raise InputError(f"keypoints: {len(self.keypoints)} names, but the source has {count} keypoints")
        return tuple(self.keypoints)


_SPLITS = {
    "train": "train", "training": "train", "trainval": "train", "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip


def split_named(name: str) -> str | None:
    """Return ``train``, ``val`` or ``test`` for the usual names of splits, such as ``valid`` or ``train2017``."""
    return _SPLITS.get(name.casefold().rstrip("0123456789-_ "))


def only(names: Iterable[str], what: str) -> str | None:
    """Return the single name of several equal ones, None of none.

    Raises:
        InputError: They differ.
    """
    found = sorted(set(names))
    if len(found) > 1:
        raise InputError(f"{what}: there are several ({', '.join(found)}); choose one with the option category")
    return found[0] if found else None
