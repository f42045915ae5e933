"""Labelme (and X-AnyLabeling): one JSON file per image, beside the image.

Format: https://github.com/wkentaro/labelme. Shapes of type ``point`` are keypoints; their label is the keypoint's name.
Points, and a ``rectangle``, with the same ``group_id`` are one person. Coordinates are in px.

Visibility: a point with a flag or description such as ``occluded`` or ``hidden``, or marked ``difficult``
(X-AnyLabeling), is labeled but hidden (1), all others are visible (2).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gog_pose.data.importing.grouping import LabelledBox, LabelledPoint, group_people
from gog_pose.data.importing.label_studio import HIDDEN
from gog_pose.data.importing.reading import files_named, find_image, load_json, number, whole
from gog_pose.data.importing.record import Import, Options, Picture, split_named
from gog_pose.errors import InputError


def find(source: Path) -> list[Path]:
    """Return the JSON files in each folder of a source whose first one is Labelme's; checking all would be slow."""
    files = files_named(source, ".json")
    first = {path.parent: path for path in reversed(files)}
    own = {folder for folder, path in first.items() if _is_labelme(path)}
    return [path for path in files if path.parent in own]


def read(source: Path, options: Options) -> Import:
    """Read a data set. A folder ``train``, ``val`` or ``test`` directly below the source is a split.

    Raises:
        InputError: There is no readable file.
    """
    found = Import("labelme")
    files = find(source)
    if not files:
        raise InputError(f"{source}: no JSON file of Labelme")
    root = source if source.is_dir() else source.parent
    names: dict[str, None] = {}
    for file in files:
        try:
            _read_file(file, root, options, found, names)
        except InputError as error:
            found.leave_out(file, "", error)
    found.keypoints = tuple(names if options.keypoints is None else options.keypoints)
    return found


def _is_labelme(path: Path) -> bool:
    try:
        content = load_json(path)
    except InputError:
        return True  # reported when the file is read, if this format is chosen
    return isinstance(content, dict) and "shapes" in content


def _read_file(file: Path, root: Path, options: Options, found: Import, names: dict[str, None]) -> None:
    content = load_json(file)
    if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
        raise InputError("the list 'shapes' is missing, so this is not a file of Labelme; correct or remove it")
    path = _image(content.get("imagePath"), file, root, options)
    size = None
    if content.get("imageWidth") is not None:
        size = whole(content["imageWidth"], "imageWidth"), whole(content.get("imageHeight"), "imageHeight")
    points, boxes = [], []
    for place, shape in enumerate(content["shapes"]):
        item = f"shapes[{place}]"
        try:
            if not isinstance(shape, dict) or not isinstance(shape.get("label"), str):
                raise InputError("must be an object with label, points and shape_type; correct or remove it")
            kind, group = shape.get("shape_type"), shape.get("group_id")
            if kind == "point":
                x, y = _corners(shape, 1)[0]
                names.setdefault(shape["label"])
                point = (x, y, 1 if _is_hidden(shape) else 2)
                points.append(LabelledPoint(item, shape["label"], point, _key(group)))
            elif kind == "rectangle" and options.wants(shape["label"]):
                corners = _corners(shape, 2, 4)
                xs, ys = [x for x, _ in corners], [y for _, y in corners]
                box = (min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))
                boxes.append(LabelledBox(item, box, _key(group)))
            else:
                found.passed_over[f"{kind!s:.40} shapes"] += 1
        except InputError as error:
            found.leave_out(file, item, error)
    people = group_people(points, boxes, file, "", found)
    inside = file.relative_to(root).parts
    split = split_named(inside[0]) if len(inside) > 1 else None
    name = Path(*inside[1:] if split else inside).with_name(path.name)
    found.pictures.append(Picture(path, name.as_posix(), split, people, True, size))


def _image(name: Any, file: Path, root: Path, options: Options) -> Path:
    """Return the image at ``imagePath``, relative to the file but inside the source, else the same name beside it."""
    if not isinstance(name, str):
        raise InputError("imagePath: must be text; correct it")
    folder = options.images if options.images is not None else root
    name = str(name).replace("\\", "/")
    relative = file.parent.relative_to(root).as_posix() + "/" + name if options.images is None else name
    try:
        return find_image(folder, relative)
    except InputError as error:
        beside = (options.images or file.parent) / str(name).rsplit("/", 1)[-1]
        if beside.is_file():
            return beside
        raise error


def _corners(shape: Mapping[str, Any], *counts: int) -> list[tuple[float, float]]:
    corners = shape.get("points")
    if (
        not isinstance(corners, list)
        or len(corners) not in counts
        or not all(isinstance(corner, list) and len(corner) == 2 for corner in corners)
    ):
        raise InputError(f"points: must be {counts[0]} points [x, y]; correct it")
    return [(number(x, "points"), number(y, "points")) for x, y in corners]


def _is_hidden(shape: Mapping[str, Any]) -> bool:
    flags = shape.get("flags")
    flagged = isinstance(flags, dict) and any(on and str(name).casefold() in HIDDEN for name, on in flags.items())
    described = str(shape.get("description") or "").strip().casefold() in HIDDEN
    return flagged or described or shape.get("difficult") is True


def _key(group: Any) -> str | None:
    return None if group is None else str(group)
