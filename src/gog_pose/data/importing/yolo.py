"""Ultralytics YOLO-pose: one text file per image, and a YAML file that describes the data set.

Format: https://docs.ultralytics.com/datasets/pose/. A line is ``class x y width height`` followed by ``x y`` or ``x y
visibility`` per keypoint, according to ``kpt_shape: [K, 2 or 3]``. Coordinates are fractions of the image's sides; x
and y of a box are its center. ``flip_idx`` lists the mirror image of each keypoint. ``kpt_names`` lists names per
class; without it, 17 keypoints with COCO's ``flip_idx`` are COCO's, and others are numbered.

Visibility: 0, 1, 2 as in COCO. With two numbers per keypoint, keypoints with a negative coordinate or at exactly
(0, 0) are unlabeled, all others visible.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gog_pose.data.importing.reading import files_named, images_below, load_yaml, number, read_text, whole
from gog_pose.data.importing.record import Import, Options, Person, Picture, Point
from gog_pose.errors import InputError
from gog_pose.imaging.reading import open_image, resolve_inside
from gog_pose.skeleton import load_skeleton

_SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


def find(source: Path) -> list[Path]:
    """Return the YAML files of a source that describe a YOLO-pose data set."""
    folder_files = [*files_named(source, ".yaml"), *files_named(source, ".yml")]
    return [path for path in folder_files if _describes_poses(path)]


def read(source: Path, options: Options) -> Import:
    """Read a data set.

    Raises:
        InputError: There is not exactly one YAML file with ``kpt_shape``, or it is malformed.
    """
    files = find(source)
    if len(files) != 1:
        raise InputError(
            f"{source}: {len(files)} YAML files with kpt_shape; give the right one, such as source=DIR/data.yaml"
        )
    file = files[0]
    content = load_yaml(file)
    found = Import("yolo")
    count, dims = _shape(content, file)
    flip = _flip(content, count, file)
    found.keypoints = _names(content, count, flip, options, found)
    found.flip = None if flip is None else dict(zip(found.keypoints, (found.keypoints[i] for i in flip), strict=True))
    root = _root(content, file, found)
    classes = _classes(content, options, file, found)
    for key, split in _SPLITS.items():
        entries = content.get(key)
        for entry in entries if isinstance(entries, list) else [entries]:
            if entry is not None:
                for base, image in _images(root, entry, key, file):
                    _read_image(image, base, split, classes, dims, found)
    return found


def _describes_poses(path: Path) -> bool:
    try:
        content = load_yaml(path)
    except InputError:
        return False
    return isinstance(content, dict) and "kpt_shape" in content


def _shape(content: Mapping[str, Any], file: Path) -> tuple[int, int]:
    shape = content["kpt_shape"]
    if (
        not isinstance(shape, list)
        or len(shape) != 2
        or any(type(n) is not int for n in shape)
        or not 1 <= shape[0] <= 1000
        or shape[1] not in (2, 3)
    ):
        raise InputError(f"{file}: kpt_shape: {shape!r:.60} must be [K, 2] or [K, 3]; correct it")
    return shape[0], shape[1]


def _flip(content: Mapping[str, Any], count: int, file: Path) -> list[int] | None:
    flip = content.get("flip_idx")
    if flip is None or flip == []:
        return None
    if (
        not isinstance(flip, list)
        or any(type(place) is not int for place in flip)
        or sorted(flip) != list(range(count))
        or any(flip[flip[i]] != i for i in range(count))
    ):
        raise InputError(f"{file}: flip_idx: must list the mirror image of each of the {count} keypoints; correct it")
    return list(flip)


def _names(
    content: Mapping[str, Any], count: int, flip: Sequence[int] | None, options: Options, found: Import
) -> tuple[str, ...]:
    names = content.get("kpt_names")
    if isinstance(names, dict):
        names = next(iter(names.values()), None)
    if options.keypoints is None and isinstance(names, list) and len(names) == count:
        return tuple(str(name) for name in names)
    coco = load_skeleton("coco_19")
    if options.keypoints is None and count == coco.num_keypoints and tuple(flip or ()) == coco.flip_index:
        found.notes.append("keypoint names: not in the file; 17 keypoints with COCO's flip_idx are taken as COCO's")
        return tuple(coco.keypoints)
    if options.keypoints is None:
        found.notes.append("keypoint names: not in the file; numbered (set names with keypoints=[NAME, ...])")
    return options.numbered(count)


def _root(content: Mapping[str, Any], file: Path, found: Import) -> Path:
    """Return the folder of the data set: ``path`` if it is inside the YAML file's folder, else that folder."""
    path = content.get("path")
    if isinstance(path, str) and path:
        inside = os.path.normpath(path)
        if not os.path.isabs(inside) and inside.split(os.sep)[0] != ".." and (file.parent / inside).is_dir():
            return file.parent / inside
        found.notes.append(f"path: {path!r:.100} of {file.name} is not a folder beside it; {file.parent} is used")
    return file.parent


def _classes(content: Mapping[str, Any], options: Options, file: Path, found: Import) -> set[int] | None:
    """Return the numbers of the classes of people; None = all."""
    names = content.get("names")
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict):
        if options.category is not None:
            raise InputError(f"{file}: names: is missing, but category= needs it; add it")
        return None
    chosen = {whole(key, f"{file}: names"): str(name) for key, name in names.items() if options.wants(str(name))}
    if not chosen:
        raise InputError(f"{file}: names: none is {options.category!r}; choose from {list(names.values())!r:.200}")
    if len(chosen) > 1:
        found.notes.append(f"classes {', '.join(chosen.values())}: imported as one; category=NAME selects one")
    return set(chosen)


def _images(root: Path, entry: Any, key: str, file: Path) -> list[tuple[Path, Path]]:
    """Return the images of an entry of a split as pairs of the base folder of the image's name and the image."""
    if not isinstance(entry, str):
        raise InputError(f"{file}: {key}: {entry!r:.60} is not a path; correct it")
    inside = entry
    while inside.startswith("../"):  # written by Roboflow and ignored by Ultralytics
        inside = inside[3:]
    path = resolve_inside(root, inside)
    if path.is_dir():
        return [(path, image) for image in images_below(path)]
    if path.suffix == ".txt" and path.is_file():
        lines = [line.strip() for line in read_text(path, "txt").splitlines()]
        return [(root, resolve_inside(root, line)) for line in lines if line]
    raise InputError(f"{file}: {key}: {entry!r:.100} is not a folder or .txt file below {root}; correct it")


def _labels_of(image: Path) -> Path:
    """Return the label file of an image: the last folder ``images`` in its path is replaced by ``labels``."""
    parts = list(image.parts)
    for place in range(len(parts) - 2, -1, -1):
        if parts[place] == "images":
            parts[place] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


def _read_image(image: Path, base: Path, split: str, classes: set[int] | None, dims: int, found: Import) -> None:
    try:
        with open_image(image) as opened:
            width, height = _upright_size(opened)
        labels = _labels_of(image)
        lines = read_text(labels, "txt").splitlines() if labels.is_file() else []
    except InputError as error:
        found.leave_out(image, "", error)
        return
    people = []
    for place, line in enumerate(lines, 1):
        if line.strip():
            try:
                person = _person(line.split(), place, (width, height), classes, dims, found)
            except InputError as error:
                found.leave_out(labels, f"line {place}", error)
                continue
            if person is not None:
                people.append(person)
    found.pictures.append(Picture(image, image.relative_to(base).as_posix(), split, people, True, (width, height)))


def _upright_size(opened: Any) -> tuple[int, int]:
    width, height = opened.size
    return (height, width) if opened.getexif().get(0x0112, 1) in (5, 6, 7, 8) else (width, height)


def _person(
    fields: Sequence[str], place: int, size: tuple[int, int], classes: set[int] | None, dims: int, found: Import
) -> Person | None:
    if classes is not None and whole(fields[0], "class") not in classes:
        found.passed_over["objects of other classes"] += 1
        return None
    count = len(found.keypoints)
    if len(fields) != 5 + dims * count:
        raise InputError(f"{len(fields)} numbers instead of {5 + dims * count} (class, box, {count} keypoints)")
    width, height = size
    x, y, w, h = (number(value, "box") for value in fields[1:5])
    if min(w, h) < 0:
        raise InputError("box: width and height must not be negative; correct it")
    points: dict[str, Point] = {}
    for index, name in enumerate(found.keypoints):
        own = [number(value, name) for value in fields[5 + dims * index : 5 + dims * (index + 1)]]
        visibility = whole(own[2], name) if dims == 3 else 2 * (min(own) >= 0 and own != [0, 0])
        if visibility not in (0, 1, 2):
            raise InputError(f"{name}: visibility {visibility} must be 0, 1 or 2; correct it")
        if visibility:
            points[name] = (own[0] * width, own[1] * height, visibility)
    box = ((x - w / 2) * width, (y - h / 2) * height, w * width, h * height)
    return Person(f"line {place}", points, box)
