"""The rules for single entries of a COCO-format file: each raises ``InputError``.

The reader applies them while it reads, the inspection applies them to all entries, one by one.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gog_pose.data.outlines import run_lengths
from gog_pose.errors import InputError


def check_image(image: Any, place: int, path: Path) -> None:
    """Check that an image entry has the fields that are read, and a size."""
    where = f"images[{place}]"
    _require(path, where, image, {"id": int, "file_name": str, "height": int, "width": int})
    if image["height"] < 1 or image["width"] < 1:
        raise InputError(f"{path}: {where}: {image['width']}x{image['height']} px is no size; correct or remove it")


def check_annotation(person: Any, place: int, path: Path) -> None:
    """Check that an annotation has the fields that are read."""
    _require(path, f"annotations[{place}]", person, {"image_id": int, "category_id": int, "bbox": list})


def check_reference(person: dict[str, Any], place: int, path: Path, image_ids: Container[int]) -> None:
    """Check that the image of an annotation is listed."""
    if person["image_id"] not in image_ids:
        raise InputError(
            f"{path}: annotations[{place}].image_id: no image has the id {person['image_id']}; add or remove it"
        )


def check_box(person: dict[str, Any], place: int, path: Path) -> None:
    """Check that a box is four numbers."""
    box = person["bbox"]
    if len(box) != 4 or not _are_numbers(box):
        raise InputError(f"{path}: annotations[{place}].bbox: {box} must be four numbers: x, y, width, height")


def check_numbers(person: dict[str, Any], place: int, path: Path) -> None:
    """Check that area and keypoints, where there are any, are numbers; unlabelled keypoints may have no place."""
    if not _is_number(person.get("area", 0)):
        raise InputError(f"{path}: annotations[{place}].area: {person['area']} must be a number, px^2")
    keypoints = person.get("keypoints") or []
    if not isinstance(keypoints, list) or not set(map(type, keypoints)) <= _NUMBERS:
        raise InputError(f"{path}: annotations[{place}].keypoints: must be a list of numbers, three a keypoint")
    if not _is_number(sum(keypoints)):  # every nan and infinity shows in the sum, which takes little time
        for x, y, visibility in zip(*(keypoints[part::3] for part in range(3)), strict=False):
            if not _is_number(visibility) or (visibility > 0 and not (_is_number(x) and _is_number(y))):
                raise InputError(
                    f"{path}: annotations[{place}].keypoints: {[x, y, visibility]} is no place; correct it or set all"
                    " three to 0"
                )


def check_size(
    image: Path, pixel_hw: Sequence[int], annotated_hw: Sequence[int] | np.ndarray, annotations: Path
) -> None:
    """Check that an image file has the size that its annotations are for."""
    if tuple(pixel_hw) != tuple(annotated_hw):
        raise InputError(
            f"{image}: is {pixel_hw[1]}x{pixel_hw[0]} px, but {annotations} says {annotated_hw[1]}x{annotated_hw[0]};"
            " replace the image or correct width and height"
        )


def keypoint_category(content: dict[str, Any], path: Path) -> int:
    """Return the id of the category that has the keypoints: the only one of a file, or the one named person.

    Raises:
        InputError: There is none, or several and not exactly one named person.
    """
    categories = content["categories"]
    for place, category in enumerate(categories):
        _require(path, f"categories[{place}]", category, {"id": int})
    if len(categories) > 1:
        categories = [category for category in categories if category.get("name") == "person"]
    if len(categories) != 1:
        raise InputError(f"{path}: categories: there must be one, or one category named 'person' among several")
    return int(categories[0]["id"])


def _require(path: Path, where: str, entry: Any, fields: dict[str, type]) -> None:
    for field, kind in fields.items():
        if not isinstance(entry, dict) or not isinstance(entry.get(field), kind):
            raise InputError(f"{path}: {where}.{field}: missing or not of type {kind.__name__}")


_NUMBERS = {int, float}
_LARGEST = float(np.finfo(np.float32).max)


def _is_number(value: Any) -> bool:
    return type(value) in _NUMBERS and abs(value) <= _LARGEST


def _are_numbers(values: Sequence[Any]) -> bool:
    return set(map(type, values)) <= _NUMBERS and _is_number(sum(values))


def flat_keypoints(person: dict[str, Any], num_keypoints: int, path: Path) -> list[float]:
    """Return the flat keypoints of an annotation; those without any (crowds often) have all unlabelled."""
    keypoints: list[float] = person.get("keypoints") or [0] * (3 * num_keypoints)
    if len(keypoints) != 3 * num_keypoints:
        raise InputError(
            f"{path}: annotation {person.get('id')}: keypoints: {len(keypoints)} numbers, but the skeleton has"
            f" {num_keypoints} keypoints, 3 numbers each; choose the skeleton of this data set"
        )
    return keypoints


def outline(person: dict[str, Any], image_hw: Sequence[int], path: Path) -> Any:
    """Return the outline of an annotation as ``Outlines`` takes it: polygons, or lengths of runs."""
    segmentation = person["segmentation"]
    try:
        if isinstance(segmentation, dict) and list(segmentation["size"]) == list(image_hw):
            return run_lengths(segmentation["counts"], image_hw[0] * image_hw[1])
    except (KeyError, TypeError, ValueError):
        pass
    if isinstance(segmentation, list) and all(
        isinstance(polygon, list) and len(polygon) % 2 == 0 and _are_numbers(polygon) for polygon in segmentation
    ):
        return segmentation
    raise InputError(
        f"{path}: annotation {person.get('id')}: segmentation: must be polygons, lists of x and y in turn, or run"
        f" lengths (size, counts) of an image of {image_hw[1]}x{image_hw[0]} px; correct or remove it"
    )
