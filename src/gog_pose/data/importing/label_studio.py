"""Label Studio's JSON export (not JSON-MIN): one file with a list of tasks.

Format: https://labelstud.io/guide/task_format, https://labelstud.io/tags/keypointlabels and
https://labelstud.io/tags/rectanglelabels. Coordinates are percentages of the image's sides. A keypoint belongs to the
rectangle of its ``parentID`` or of a relation; otherwise to the only rectangle around it.

Visibility: a keypoint region with a per-region choice such as ``occluded`` or ``hidden`` is labeled but hidden (1),
all others are visible (2).
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlparse

from gog_pose.data.importing.grouping import LabelledBox, LabelledPoint, group_people
from gog_pose.data.importing.reading import files_named, find_image, load_json, number, whole
from gog_pose.data.importing.record import Import, Options, Picture
from gog_pose.errors import InputError

HIDDEN = ("occluded", "hidden", "invisible", "not visible", "not_visible")


def find(source: Path) -> list[Path]:
    """Return the JSON files of a source that are Label Studio's."""
    files = sorted(source.glob("*.json")) if source.is_dir() else files_named(source, ".json")
    return [path for path in files if _is_export(path)]


def read(source: Path, options: Options) -> Import:
    """Read a data set.

    Raises:
        InputError: There is no readable file.
    """
    found = Import("label_studio")
    files = find(source)
    if not files:
        raise InputError(f"{source}: no JSON export of Label Studio (choose JSON, not JSON-MIN)")
    names: dict[str, None] = {}
    for file in files:
        for place, task in enumerate(load_json(file)):
            item = f"task {task['id']}" if isinstance(task, dict) and "id" in task else f"[{place}]"
            try:
                _read_task(task, item, file, options, found, names)
            except InputError as error:
                found.leave_out(file, item, error)
    found.keypoints = tuple(names if options.keypoints is None else options.keypoints)
    return found


def _is_export(path: Path) -> bool:
    try:
        content = load_json(path)
    except InputError:
        return False
    return isinstance(content, list) and any(
        isinstance(task, dict) and "data" in task and ("annotations" in task or "completions" in task)
        for task in content[:10]
    )


def _read_task(task: Any, item: str, file: Path, options: Options, found: Import, names: dict[str, None]) -> None:
    if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
        raise InputError("must be an object with data and annotations; correct or remove it")
    results = _results(task, found)
    regions = [{**one, "id": str(one.get("id"))} for one in results if isinstance(one, dict)]
    for _ in range(len(results) - len(regions)):
        found.leave_out(file, item, "a region is not an object; correct or remove it")
    image = _image_name(task["data"], regions)
    folder = options.images if options.images is not None else file.parent
    path = _find(folder, image)
    size = _size(regions)
    hidden = {
        one["id"]
        for one in regions
        if one.get("type") == "choices" and any(str(choice).casefold() in HIDDEN for choice in _labels(one, "choices"))
    }
    boxes, points = [], []
    rectangles = {one["id"] for one in regions if one.get("type") == "rectanglelabels"}
    parents = _parents(regions, rectangles)
    for one in regions:
        kind, where = one.get("type"), f"region {one['id']:.40}"
        try:
            if kind == "keypointlabels":
                name = _label(one, kind)
                x, y = (_pixels(one, key, side) for key, side in (("x", 0), ("y", 1)))
                names.setdefault(name)
                point = (x, y, 1 if one["id"] in hidden else 2)
                points.append(LabelledPoint(where, name, point, parents.get(one["id"])))
            elif kind == "rectanglelabels" and options.wants(_label(one, kind)):
                if one["value"].get("rotation"):
                    raise InputError("rotated rectangles are not supported; remove the rotation")
                sides = (("x", 0), ("y", 1), ("width", 0), ("height", 1))
                x, y, width, height = (_pixels(one, key, side) for key, side in sides)
                boxes.append(LabelledBox(where, (x, y, width, height), one["id"]))
            elif kind not in ("choices", "relation"):
                found.passed_over[f"{kind!s:.40} regions"] += 1
        except InputError as error:
            found.leave_out(file, f"{item}: {where}", error)
    people = group_people(points, boxes, file, item, found)
    found.pictures.append(Picture(path, path.relative_to(folder).as_posix(), None, people, True, size))


def _results(task: Mapping[str, Any], found: Import) -> list[Any]:
    """Return the regions of the annotation to use: the ground truth, else the last one that was not cancelled."""
    annotations = task.get("annotations", task.get("completions"))
    if not isinstance(annotations, list):
        raise InputError("annotations: must be a list; correct it")
    sound = [one for one in annotations if isinstance(one, dict) and not one.get("was_cancelled")]
    found.passed_over["further annotations of a task"] += max(0, len(sound) - 1)
    predictions = task.get("predictions")
    found.passed_over["predictions"] += len(predictions) if isinstance(predictions, list) else 0
    chosen = next((one for one in sound if one.get("ground_truth")), sound[-1] if sound else {})
    results = chosen.get("result", [])
    if not isinstance(results, list):
        raise InputError("result: must be a list; correct it")
    return results


def _image_name(data: Mapping[str, Any], regions: list[dict[str, Any]]) -> str:
    """Return the path of a task's image, a text in ``data``.

    It is the one that regions refer to (``source: $image``), else ``image`` or ``img``, else the only text.
    """
    keys = [key for key, value in data.items() if isinstance(value, str)]
    sources = {str(one.get("source", "")).removeprefix("$") for one in regions} & set(keys)
    key = next(iter(sources), None) or next((key for key in ("image", "img") if key in keys), None)
    if key is None and len(keys) == 1:
        key = keys[0]
    if key is None:
        raise InputError("data: contains no path of an image; correct it")
    try:
        address = urlparse(data[key])
    except ValueError as error:
        raise InputError(f"data.{key}: {data[key]!r:.60} is not an address ({error}); correct it") from None
    local = parse_qs(address.query).get("d")  # /data/local-files/?d=folder/photo.jpg
    return local[0] if local else unquote(address.path)


def _find(folder: Path, image: str) -> Path:
    """Return the path of an image file; uploads are in ``/data/upload/<project>/`` with a random prefix."""
    inside = image.lstrip("/").removeprefix("data/upload/")
    plain = re.sub(r"^[0-9a-f]{8}-", "", inside.rsplit("/", 1)[-1])
    try:
        return find_image(folder, inside)
    except InputError as error:
        for below in (".", "images"):
            for name in (inside.rsplit("/", 1)[-1], plain):
                if name and (folder / below / name).is_file():
                    return folder / below / name
        raise error


def _size(regions: list[dict[str, Any]]) -> tuple[int, int] | None:
    for one in regions:
        if "original_width" in one and "original_height" in one:
            return whole(one["original_width"], "original_width"), whole(one["original_height"], "original_height")
    return None


def _parents(regions: list[dict[str, Any]], rectangles: set[str]) -> dict[str, str]:
    """Return the id of the rectangle of each keypoint with a ``parentID`` or a relation to a rectangle, by its id."""
    parents = {one["id"]: str(one["parentID"]) for one in regions if one.get("parentID")}
    for one in regions:
        if one.get("type") == "relation":
            ends = str(one.get("from_id")), str(one.get("to_id"))
            for end, other in (ends, ends[::-1]):
                if other in rectangles and end not in rectangles:
                    parents.setdefault(end, other)
    return parents


def _labels(region: Mapping[str, Any], kind: str) -> list[Any]:
    value = region.get("value")
    labels = value.get(kind) if isinstance(value, dict) else None
    return labels if isinstance(labels, list) else []


def _label(region: Mapping[str, Any], kind: str) -> str:
    labels = _labels(region, kind)
    if len(labels) != 1:
        raise InputError(f"value.{kind}: must be one label, got {reprlib.repr(labels)}; correct it")
    return str(labels[0])


def _pixels(region: Mapping[str, Any], key: str, side: int) -> float:
    original = number(region.get(("original_width", "original_height")[side]), "original_width and original_height")
    return number(region["value"].get(key), f"value.{key}") / 100 * original
