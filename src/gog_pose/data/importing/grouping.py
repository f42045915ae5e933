"""Grouping of separate labeled points into people, for formats without a record per person."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import NamedTuple

from gog_pose.data.importing.record import Import, Person, Point

Box = tuple[float, float, float, float]


class LabelledPoint(NamedTuple):
    """A point: its item in the file, the keypoint's name, its position and visibility, and its group (None = none)."""

    item: str
    name: str
    point: Point
    group: Hashable | None


class LabelledBox(NamedTuple):
    """A box: its item in the file, x, y, width and height (px), and its group (None = none)."""

    item: str
    box: Box
    group: Hashable | None


def group_people(
    points: Sequence[LabelledPoint], boxes: Sequence[LabelledBox], file: Path, where: str, found: Import
) -> list[Person]:
    """Group the points and boxes of one image into people.

    The points and the box of a group are one person. A point without a group belongs to the only box that contains it.
    In an image without boxes and groups, all points are one person; a second point of the same name is left out. All
    ambiguous points are left out and reported.

    Args:
        points: The points.
        boxes: The boxes.
        file: The annotation file, for messages.
        where: The item of the image in the file, for messages; may be empty.
        found: Record to which items that are left out are added.
    """
    members: dict[tuple[str, Hashable], dict[str, Point]] = defaultdict(dict)
    names: dict[tuple[str, Hashable], str] = {}
    own: dict[tuple[str, Hashable], Box] = {}
    for box in boxes:
        key: tuple[str, Hashable] = ("box", len(own)) if box.group is None else ("group", box.group)
        if key in own:
            found.leave_out(file, _joined(where, box.item), "a second box of its group; remove one")
            continue
        own[key] = box.box
        names[key] = box.item
        members[key] = {}
    alone = not boxes and all(point.group is None for point in points)
    for point in points:
        where_point = _joined(where, point.item)
        if point.group is not None:
            key = ("group", point.group)
        elif alone:
            key = ("all", 0)
        else:
            around = [key for key, box in own.items() if _contains(box, point.point)]
            if len(around) != 1:
                reason = f"no group, and {len(around) or 'no'} boxes contain the point; give it the group of its person"
                found.leave_out(file, where_point, reason)
                continue
            key = around[0]
        if point.name in members[key]:
            reason = f"a second {point.name!r} of one person; group the points of each person"
            found.leave_out(file, where_point, reason)
            continue
        members[key][point.name] = point.point
        names.setdefault(key, point.item if key[0] == "all" else f"group {point.group}")
    return [Person(_joined(where, names[key]), people, own.get(key)) for key, people in members.items()]


def _contains(box: Box, point: Point) -> bool:
    x, y, width, height = box
    return x <= point[0] <= x + width and y <= point[1] <= y + height


def _joined(*parts: str) -> str:
    return ": ".join(part for part in parts if part)
