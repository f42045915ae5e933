"""MPII-like JSON with one entry per person: ``annot/{train,valid}.json`` beside ``images/``.

Format: the files that HRNet's and MMPose's loaders read ("Data preparation" of
https://github.com/leoxiaobin/deep-high-resolution-net.pytorch): ``image``, ``joints`` (px), ``joints_vis``, ``center``
and ``scale`` (height of the person divided by 200 px). Coordinates start at 1, as in MATLAB, and 1 is subtracted;
``one_based=false`` keeps them unchanged.

Visibility: ``joints_vis`` 0 is unlabeled (0), all other values are visible (2), because the format does not mark hidden
joints. The box is the extent of the joints. For a person with fewer than three joints it is the square around
``center`` with sides of ``200 scale``.
"""

from __future__ import annotations

import reprlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gog_pose.data.importing.known import MPII_KEYPOINTS
from gog_pose.data.importing.reading import find_image, load_json, number
from gog_pose.data.importing.record import Import, Options, Person, Picture, split_named
from gog_pose.errors import InputError

_HEIGHT = 200.0  # px of a person with scale 1
_FEWEST_JOINTS = 3


def find(source: Path) -> list[Path]:
    """Return the JSON files of a source that are lists of people with ``joints``."""
    files = sorted({*source.glob("*.json"), *source.glob("annot*/*.json")}) if source.is_dir() else [source]
    return [path for path in files if path.suffix == ".json" and _lists_people(path)]


def read(source: Path, options: Options) -> Import:
    """Read a data set; ``trainval.json`` is passed over if ``train.json`` exists.

    Raises:
        InputError: There is no readable file, or the option ``keypoints`` has another number of names.
    """
    found = Import("mpii")
    files = {path.stem: path for path in find(source)}
    if "train" in files and "trainval" in files:
        del files["trainval"]
        found.passed_over["trainval.json beside train.json"] += 1
    entries = {file: load_json(file) for file in files.values()}
    counts = Counter(
        len(one["joints"]) for own in entries.values() for one in own
        if isinstance(one, dict) and isinstance(one.get("joints"), list)
    )  # fmt: skip
    if not counts:
        raise InputError(f"{source}: no JSON list of people with joints")
    count = counts.most_common(1)[0][0]
    known = options.keypoints is None and count == len(MPII_KEYPOINTS)
    found.keypoints = MPII_KEYPOINTS if known else options.numbered(count)
    for file, own in entries.items():
        _read_file(file, own, options, found)
    return found


def _lists_people(path: Path) -> bool:
    try:
        content = load_json(path)
    except InputError:
        return False
    return isinstance(content, list) and any(isinstance(one, dict) and "joints" in one for one in content[:10])


def _read_file(file: Path, entries: Sequence[Any], options: Options, found: Import) -> None:
    root = file.parent.parent if file.parent.name.startswith("annot") else file.parent
    folder = options.images or (root / "images" if (root / "images").is_dir() else root)
    pictures: dict[Path, list[Person]] = {}
    for place, entry in enumerate(entries):
        item = f"[{place}]"
        try:
            if not isinstance(entry, dict) or not isinstance(entry.get("image"), str):
                raise InputError("must be an object with image, joints and joints_vis; correct or remove it")
            people = pictures.setdefault(find_image(folder, entry["image"]), [])
            if "joints" in entry:
                people.append(_person(entry, item, found.keypoints, options.one_based))
            else:
                found.passed_over["entries without joints"] += 1
        except InputError as error:
            found.leave_out(file, item, error)
    for path, people in pictures.items():
        name = path.relative_to(folder).as_posix()
        found.pictures.append(Picture(path, name, split_named(file.stem), people, False))


def _person(entry: dict[str, Any], item: str, names: Sequence[str], one_based: bool) -> Person:
    joints, visible = entry["joints"], entry.get("joints_vis")
    if not (isinstance(joints, list) and isinstance(visible, list) and len(joints) == len(visible) == len(names)):
        raise InputError(f"joints and joints_vis: must be lists of {len(names)}; correct or remove the entry")
    points = {}
    for name, joint, seen in zip(names, joints, visible, strict=True):
        flag = seen[0] if isinstance(seen, list) and seen else seen
        if number(flag, "joints_vis"):
            if not isinstance(joint, list) or len(joint) != 2:
                raise InputError(f"joints: {reprlib.repr(joint)} must be [x, y]; correct it")
            x, y = (number(value, "joints") - one_based for value in joint)
            points[name] = (x, y, 2)
    return Person(item, points, _square(entry, one_based) if len(points) < _FEWEST_JOINTS else None)


def _square(entry: dict[str, Any], one_based: bool) -> tuple[float, float, float, float] | None:
    center, scale = entry.get("center"), entry.get("scale")
    if not isinstance(center, list) or len(center) != 2 or scale is None:
        return None
    x, y = (number(value, "center") - one_based for value in center)
    side = _HEIGHT * number(scale, "scale")
    return (x - side / 2, y - side / 2, side, side) if side > 0 and min(x, y) >= 0 else None
