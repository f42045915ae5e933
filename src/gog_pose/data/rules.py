"""Rules for the entries of annotation files and detection files; each rule raises ``InputError``.

The reader, the evaluation and the error report apply the rules before they use an entry and stop at the first
violation. The inspection applies them to all entries and reports every violation.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Container, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gog_pose.data.outlines import MOST_POINTS, run_lengths
from gog_pose.errors import InputError
from gog_pose.imaging.reading import LIMIT, max_pixels

FARTHEST = 1e6  # px; larger coordinates are errors, since no image is that large, and OpenCV draws them slowly
_LONGEST_NAME = 1024  # bytes; the array of names reserves the length of the longest one for each
_LONGEST_PART = 255  # bytes of the name of a file or folder, on all systems
_LARGEST_ID = 2**63 - 1
_NUMBERS = {int, float}


def check_image(image: Any, where: str) -> None:
    """Check the entry of an image: its id, file name, size and crowd index (optional).

    The limit on the pixels of image files also applies here, because masks of this size are allocated.

    Args:
        image: The entry.
        where: File and index of the entry, for messages.
    """
    _require(where, image, {"id": int, "file_name": str, "height": int, "width": int})
    _check_id(image["id"], f"{where}.id")
    _check_name(image["file_name"], f"{where}.file_name")
    height, width = image["height"], image["width"]
    if height < 1 or width < 1:
        raise InputError(f"{where}: {_short(width)}x{_short(height)} px is not a valid size; correct or remove it")
    if height * width > max_pixels():
        raise InputError(
            f"{where}: {_short(width)}x{_short(height)} px are more than {max_pixels():,} pixels; correct width and"
            f" height, or raise the environment variable {LIMIT}"
        )
    index = image.get("crowdIndex")
    if index is not None and not (_is_number(index) and 0 <= index <= 1):
        raise InputError(f"{where}.crowdIndex: {_short(index)} must be a number from 0 to 1; correct or remove it")


def check_category(annotation: Any, where: str) -> None:
    """Check that an annotation has a category, the only field that annotations of other categories need."""
    _require(where, annotation, {"category_id": int})


def check_fields(person: dict[str, Any], where: str) -> None:
    """Check that a person has the required fields."""
    _require(where, person, {"image_id": int, "bbox": list})


def check_reference(person: dict[str, Any], where: str, image_ids: Container[int]) -> None:
    """Check that the image of a person is in the file."""
    if person["image_id"] not in image_ids:
        raise InputError(
            f"{where}.image_id: no image has the id {_short(person['image_id'])}; add the image or remove the entry"
        )


def check_box(person: dict[str, Any], where: str) -> None:
    """Check that a box consists of four numbers with sides of 0 or more."""
    box = person["bbox"]
    if len(box) != 4 or not _are_numbers(box) or min(box[2:]) < 0:
        raise InputError(
            f"{where}.bbox: {_short(box)} must be four numbers {_EXTENT}: x, y, and width and height of 0 or more;"
            " correct it"
        )


def check_numbers(person: dict[str, Any], where: str) -> None:
    """Check the optional fields of a person; unlabeled keypoints may have any position, such as NaN."""
    area = person.get("area", 0)
    if not _is_number(area, FARTHEST**2) or area < 0:
        raise InputError(f"{where}.area: {_short(area)} must be a number of 0 or more, px^2; correct or remove it")
    if person.get("iscrowd") not in (None, 0, 1):  # False and True are equal to 0 and 1
        raise InputError(f"{where}.iscrowd: {_short(person['iscrowd'])} must be 0 or 1; correct or remove it")
    count = person.get("num_keypoints")
    if count is not None and not (_is_number(count) and count >= 0 and count == int(count)):
        raise InputError(f"{where}.num_keypoints: {_short(count)} must be a whole number; correct or remove it")
    keypoints = person.get("keypoints")
    if keypoints is None:
        return
    if not isinstance(keypoints, list) or not set(map(type, keypoints)) <= _NUMBERS:
        raise InputError(f"{where}.keypoints: must be a list of numbers, three per keypoint; correct it")
    if not _are_numbers(keypoints):
        for x, y, visibility in zip(*(keypoints[part::3] for part in range(3)), strict=False):
            if not _is_number(visibility) or (visibility > 0 and not (_is_number(x) and _is_number(y))):
                raise InputError(
                    f"{where}.keypoints: {_short([x, y, visibility])} must be three numbers {_EXTENT}; correct them or"
                    " set all three to 0"
                )


# Rules for people by the kind of finding that the inspection reports for a violation.
PERSON_RULES: Mapping[str, Callable[[dict[str, Any], str], None]] = {
    "annotation malformed": check_fields,
    "box malformed": check_box,
    "numbers malformed": check_numbers,
}


def complete(person: dict[str, Any]) -> dict[str, Any]:
    """Fill in the optional fields of a person, in place; call it after the rules."""
    person["iscrowd"] = int(person.get("iscrowd") or 0)
    if "area" not in person:  # 0.53 of the box, the constant of CrowdPose's evaluation
        person["area"] = 0.53 * person["bbox"][2] * person["bbox"][3]
    keypoints = person.get("keypoints") or []
    if len(keypoints) % 3 == 0 and not _are_numbers(keypoints):  # such as NaN for unlabeled keypoints
        points = zip(*(keypoints[part::3] for part in range(3)), strict=True)
        keypoints = [value for x, y, v in points for value in ((x, y, v) if v > 0 else (0, 0, v))]
        person["keypoints"] = keypoints
    told = person.get("num_keypoints")
    person["num_keypoints"] = sum(v > 0 for v in keypoints[2::3]) if told is None else int(told)
    return person


def is_supervised(person: dict[str, Any], min_area: float = 0) -> bool:
    """Return whether a person gives targets: a single person with a labeled keypoint and at least the given area.

    The regions of all other people are ignored; outlines are read only for them.

    Args:
        person: A result of ``complete``.
        min_area: px^2 of the original image.
    """
    labelled = any(v > 0 for v in (person.get("keypoints") or [])[2::3])
    return labelled and not person["iscrowd"] and person["area"] >= min_area


def flat_keypoints(person: dict[str, Any], num_keypoints: int, where: str) -> list[float]:
    """Return the flat list of keypoints of a person; all unlabeled if it is missing, as for many crowds."""
    keypoints: list[float] = person.get("keypoints") or [0] * (3 * num_keypoints)
    _check_count(keypoints, num_keypoints, f"{where}.keypoints", "this data set")
    return keypoints


def outline(person: dict[str, Any], image_hw: Sequence[int], where: str) -> Any:
    """Return the outline of a person in the format of ``Outlines``: polygons or run lengths."""
    segmentation = person["segmentation"]
    try:
        if isinstance(segmentation, dict) and list(segmentation["size"]) == list(image_hw):
            return run_lengths(segmentation["counts"], image_hw[0] * image_hw[1])
    except (KeyError, TypeError, ValueError):
        pass
    if isinstance(segmentation, list) and all(
        isinstance(polygon, list) and len(polygon) % 2 == 0 and _are_numbers(polygon) for polygon in segmentation
    ):
        if sum(map(len, segmentation)) <= 2 * MOST_POINTS:
            return segmentation
        raise InputError(f"{where}.segmentation: polygons of more than {MOST_POINTS:,} points; simplify or remove them")
    raise InputError(
        f"{where}.segmentation: must be polygons, lists [x, y, x, y, ...] of numbers {_EXTENT}, or run lengths"
        f" (size, counts) of an image of {image_hw[1]}x{image_hw[0]} px; correct or remove it"
    )


def check_size(
    image: Path, pixel_hw: Sequence[int], annotated_hw: Sequence[int] | np.ndarray, annotations: Path
) -> None:
    """Check that an image file has the size in its annotations."""
    if tuple(pixel_hw) != tuple(annotated_hw):
        raise InputError(
            f"{image}: is {pixel_hw[1]}x{pixel_hw[0]} px, but {annotations} says {annotated_hw[1]}x{annotated_hw[0]};"
            " replace the image or correct width and height"
        )


def category_names(category: Any) -> tuple[str, ...] | None:
    """Return the names in the option ``category``; None if the categories are chosen automatically.

    Raises:
        InputError: The option is neither a name nor a list of names.
    """
    if category is None:
        return None
    names = (category,) if isinstance(category, str) else category
    if not isinstance(names, (list, tuple)) or not names or not all(isinstance(name, str) for name in names):
        raise InputError(f"category: {_short(category)} must be a category's name, a list of names, or null")
    return tuple(names)


def keypoint_categories(content: Mapping[str, Any], path: Path, category: Any = None) -> dict[int, str]:
    """Return id and name of the categories of people.

    Args:
        content: The lists of the file.
        path: The file.
        category: A name or names; case is ignored. None = the only category of the file, else the only one that lists
            keypoints, else the one called person (of those that list keypoints, if any does).

    Raises:
        InputError: A name is not in the file, or the choice is ambiguous.
    """
    categories = content["categories"]
    for place, entry in enumerate(categories):
        if not isinstance(entry, dict):
            raise InputError(f"{path}: categories[{place}]: must be an object with id and name; correct or remove it")
    wanted = category_names(category)
    chosen = _likely(categories) if wanted is None else _named(categories, wanted, path)
    if not chosen:
        raise InputError(
            f"{path}: categories: there must be one with keypoints, or one named 'person', but there are"
            f" {_list(categories)}; choose one with the option category"
        )
    ids = [entry.get("id") for entry in chosen]
    for entry in chosen:
        _require(f"{path}: category {_short(entry.get('name'))}", entry, {"id": int})
    if sum(entry.get("id") in ids for entry in categories) > len(set(ids)):
        raise InputError(f"{path}: categories: {_list(chosen)} share an id with another; give each a unique id")
    return {entry["id"]: str(entry.get("name")) for entry in chosen}


def check_detection(entry: Any, where: str, num_keypoints: int) -> None:
    """Check an entry of a file of detections in COCO's results format.

    Args:
        entry: The entry.
        where: File and index of the entry, for messages.
        num_keypoints: Keypoints per person.
    """
    _require(where, entry, {"image_id": int, "category_id": int, "keypoints": list})
    _check_count(entry["keypoints"], num_keypoints, f"{where}.keypoints", "these detections")
    sound = {"keypoints": _are_numbers(entry["keypoints"]), "score": _is_number(entry.get("score"))}
    for field in (field for field, is_sound in sound.items() if not is_sound):
        raise InputError(f"{where}.{field}: must be finite numbers {_EXTENT}; correct or remove the entry")


_EXTENT = f"of at most {FARTHEST:,.0f}"


def _require(where: str, entry: Any, fields: Mapping[str, type]) -> None:
    if not isinstance(entry, dict):
        raise InputError(f"{where}: must be an object with {', '.join(fields)}; correct or remove it")
    for field, kind in fields.items():
        if type(entry.get(field)) is not kind:  # True and False are not accepted as numbers
            told = f"{_short(entry[field])} is not" if field in entry else "is missing, must be"
            raise InputError(f"{where}.{field}: {told} of type {kind.__name__}; correct it")


def _check_id(value: int, where: str) -> None:
    if abs(value) > _LARGEST_ID:
        raise InputError(f"{where}: {_short(value)} is too large; give an integer below 2^63")


def _check_name(value: str, where: str) -> None:
    try:
        name = value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        name = b""
    if not name or b"\0" in name or len(name) > _LONGEST_NAME or max(map(len, name.split(b"/"))) > _LONGEST_PART:
        raise InputError(
            f"{where}: {_short(value)} is not a valid file name of at most {_LONGEST_NAME} bytes, {_LONGEST_PART}"
            " between slashes; correct it"
        )


def _check_count(keypoints: Sequence[Any], num_keypoints: int, where: str, owner: str) -> None:
    if len(keypoints) != 3 * num_keypoints:
        raise InputError(
            f"{where}: {len(keypoints)} numbers, but the skeleton has {num_keypoints} keypoints with 3 numbers each;"
            f" choose the skeleton of {owner}"
        )


def _is_number(value: Any, most: float = FARTHEST) -> bool:
    return type(value) in _NUMBERS and -most <= value <= most


def _are_numbers(values: Sequence[Any]) -> bool:
    if not values:
        return True
    if not set(map(type, values)) <= _NUMBERS or not (min(values) >= -FARTHEST and max(values) <= FARTHEST):
        return False
    total = sum(values)
    return bool(total == total)  # False for NaN, which min and max may miss


def _likely(categories: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a list with the category of people; an empty list if it is ambiguous."""
    if len(categories) > 1:
        categories = [entry for entry in categories if entry.get("keypoints")] or categories
    if len(categories) > 1:
        categories = [entry for entry in categories if _plain(entry.get("name")) == "person"]
    return list(categories) if len(categories) == 1 else []


def _named(categories: Sequence[dict[str, Any]], wanted: Sequence[str], path: Path) -> list[dict[str, Any]]:
    names = {_plain(entry.get("name")) for entry in categories}
    for name in wanted:
        if _plain(name) not in names:
            raise InputError(f"{path}: categories: none is named {name!r}; choose from {_list(categories)}")
    return [entry for entry in categories if _plain(entry.get("name")) in set(map(_plain, wanted))]


def _plain(name: Any) -> str:
    return str(name).strip().casefold()


def _list(categories: Sequence[dict[str, Any]], most: int = 10) -> str:
    names = [_short(entry.get("name")) for entry in categories]
    return ", ".join(names[:most] + ["..."] * (len(names) > most)) or "none"


def _short(value: Any) -> str:
    """Return a value in one line, abbreviated if it is long."""
    return reprlib.repr(value)
