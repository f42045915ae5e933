"""COCO-format keypoint annotations, read once, checked and packed into arrays that DataLoader workers share."""

from __future__ import annotations

import json
import math
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pycocotools.mask as rle

from gog_pose.errors import InputError
from gog_pose.images import read_image, resolve_inside


class People(NamedTuple):
    """The person annotations of one image.

    Attributes:
        boxes: ``(A, 4)`` float32 x, y, width, height, px of the original image.
        keypoints: ``(A, K, 3)`` float32 x, y (px, original image) and visibility 0/1/2.
        is_crowd: ``(A,)`` True for regions that hold a crowd instead of one person.
        areas: ``(A,)`` float32 area of the outline, px^2 of the original image; 0.53 of the box where there is none.
    """

    boxes: np.ndarray
    keypoints: np.ndarray
    is_crowd: np.ndarray
    areas: np.ndarray

    @property
    def is_labelled(self) -> np.ndarray:
        """``(A,)`` True for single people with at least one labelled keypoint."""
        return ~self.is_crowd & (self.keypoints[..., 2] > 0).any(axis=1)


class CocoKeypoints:
    """The images and people of one COCO-format JSON file.

    Args:
        annotations: The JSON file.
        image_root: Folder of its images; None where no pixel will be looked at.
        num_keypoints: Keypoints a person, as the skeleton has them.
        min_area: People of less area, px^2 of the original image, count as people without keypoints.

    Raises:
        InputError: The file or the folder is missing, the JSON is malformed, a field is absent or does not fit, an
            annotation refers to an image that is not listed, or an image file is absent.
    """

    def __init__(
        self, annotations: str | Path, image_root: str | Path | None, num_keypoints: int, min_area: float = 0
    ) -> None:
        self.path = Path(annotations)
        self.image_root = None if image_root is None else Path(image_root)
        content = load_coco_json(self.path)
        if self.image_root is not None and not self.image_root.is_dir():
            raise InputError(f"{self.image_root}: no such folder of images; check data.root and data.images")

        images = sorted(content["images"], key=lambda image: image["id"])
        self.image_ids = np.array([image["id"] for image in images], dtype=np.int64)
        self.file_names = np.array([image["file_name"] for image in images], dtype=np.str_)
        self.sizes = np.array([(image["height"], image["width"]) for image in images], dtype=np.int64).reshape(-1, 2)
        if self.image_root is not None:
            self._check_files_exist(self.image_root)

        category = keypoint_category(content, self.path)
        index = {image_id: place for place, image_id in enumerate(self.image_ids.tolist())}
        people = sorted(
            (person for person in content["annotations"] if person["category_id"] == category),
            key=lambda person: index[person["image_id"]],
        )
        self._first = np.searchsorted([index[person["image_id"]] for person in people], np.arange(len(images) + 1))
        self._boxes = np.array([person["bbox"] for person in people], dtype=np.float32).reshape(-1, 4)
        self._is_crowd = np.array([bool(person["iscrowd"]) for person in people], dtype=bool)
        self._keypoints = np.array(
            [flat_keypoints(person, num_keypoints, self.path) for person in people], dtype=np.float32
        ).reshape(-1, num_keypoints, 3)
        self._areas = np.array([person["area"] for person in people], dtype=np.float32)
        self._keypoints[self._areas < min_area] = 0
        # Only regions that hide people from supervision need their outline: few, and kept as COCO stores them.
        self._segmentations: dict[int, Any] = {
            place: outline(person, self.sizes[index[person["image_id"]]], self.path)
            for place, person in enumerate(people)
            if person.get("segmentation")
            and (person["iscrowd"] or not person["num_keypoints"] or person["area"] < min_area)
        }

    def __len__(self) -> int:
        return len(self.image_ids)

    def image_path(self, index: int) -> Path:
        """Return the file of an image.

        Raises:
            InputError: Its name leads out of the image root.
            ValueError: There is no image root.
        """
        if self.image_root is None:
            raise ValueError(f"{self.path} was read without a folder of images")
        return resolve_inside(self.image_root, str(self.file_names[index]))

    def read_image(self, index: int) -> np.ndarray:
        """Return the pixels of an image, ``(H, W, 3)`` uint8 RGB.

        Raises:
            InputError: The file is missing or damaged, or of another size than its annotations are for.
            ValueError: There is no image root.
        """
        path = self.image_path(index)
        pixels = read_image(path)
        check_size(path, pixels.shape[:2], self.sizes[index], self.path)
        return pixels

    def people(self, index: int) -> People:
        """Return the person annotations of an image."""
        own = slice(self._first[index], self._first[index + 1])
        return People(self._boxes[own], self._keypoints[own], self._is_crowd[own], self._areas[own])

    def ignore_mask(self, index: int) -> np.ndarray:
        """Return ``(H, W)`` bool, True where people are that nobody labelled: px of the original image.

        Crowds and people without keypoints are ignored in their outline (polygons or RLE) or, where there is none, in
        their box. A labelled person's box is never ignored, even inside a crowd.
        """
        height, width = self.sizes[index]
        ignored = np.zeros((height, width), dtype=bool)
        people = self.people(index)
        labelled = people.is_labelled
        for place in np.flatnonzero(~labelled):
            outline = self._segmentations.get(int(self._first[index] + place))
            if outline is None:
                ignored[_box_slices(people.boxes[place])] = True
            else:
                ignored |= _rasterise(outline, int(height), int(width))
        for box in people.boxes[labelled]:
            ignored[_box_slices(box)] = False
        return ignored

    def with_labelled_people(self) -> np.ndarray:
        """Return the indices of images that have at least one person with keypoints."""
        owners = np.repeat(np.arange(len(self)), np.diff(self._first))
        return np.unique(owners[People(self._boxes, self._keypoints, self._is_crowd, self._areas).is_labelled])

    def with_people(self) -> np.ndarray:
        """Return the indices of images that have any person annotation, crowds included."""
        return np.flatnonzero(np.diff(self._first) > 0)

    def _check_files_exist(self, image_root: Path) -> None:
        for name in self.file_names.tolist():
            if not resolve_inside(image_root, name).is_file():
                raise InputError(
                    f"{self.path}: images: {name!r} is not in {image_root}; add the file or remove its entry"
                )


def load_coco_json(path: str | Path) -> dict[str, Any]:
    """Read a COCO-format JSON file and check the fields that the package relies on.

    Raises:
        InputError: The file is missing or malformed, or an entry lacks a field or contradicts another.
    """
    path = Path(path)
    content = read_coco_lists(path)
    image_ids = set()
    for place, image in enumerate(content["images"]):
        check_image(image, place, path)
        image_ids.add(image["id"])
    if len(image_ids) != len(content["images"]):
        raise InputError(f"{path}: images: ids repeat; every image needs an id of its own")
    for place, person in enumerate(content["annotations"]):
        check_annotation(person, place, path)
        check_reference(person, place, path, image_ids)
        check_box(person, place, path)
        check_numbers(person, place, path)
        box = person["bbox"]
        person.setdefault("iscrowd", 0)
        # The share of its box that a person covers, as CrowdPose's evaluation program takes it.
        person.setdefault("area", 0.53 * box[2] * box[3])
        person.setdefault("num_keypoints", sum(v > 0 for v in (person.get("keypoints") or [])[2::3]))
    return content


def read_coco_lists(path: Path) -> dict[str, Any]:
    """Read a JSON file and check that it has COCO's three lists; their entries may be anything.

    Raises:
        InputError: The file is missing or malformed, or a list is absent.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such annotation file; check the path") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: not a readable JSON file ({error}); restore it from its source") from None
    for field in ("images", "annotations", "categories"):
        if not isinstance(content, dict) or not isinstance(content.get(field), list):
            raise InputError(f"{path}: the list {field!r} is missing; this is not a COCO-format keypoint file")
    return content


# The rules for single entries: each raises InputError. The inspection applies them to all entries, one by one.


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
    if len(box) != 4 or not all(_is_number(value) for value in box):
        raise InputError(f"{path}: annotations[{place}].bbox: {box} must be four numbers: x, y, width, height")


def check_numbers(person: dict[str, Any], place: int, path: Path) -> None:
    """Check that area and keypoints, where there are any, are numbers; unlabelled keypoints may have no place."""
    if not _is_number(person.get("area", 0)):
        raise InputError(f"{path}: annotations[{place}].area: {person['area']} must be a number, px^2")
    keypoints = person.get("keypoints") or []
    if not isinstance(keypoints, list) or not set(map(type, keypoints)) <= {int, float}:
        raise InputError(f"{path}: annotations[{place}].keypoints: must be a list of numbers, three a keypoint")
    if not math.isfinite(sum(keypoints)):
        for x, y, visibility in zip(*(keypoints[part::3] for part in range(3)), strict=False):
            if not math.isfinite(visibility) or (visibility > 0 and not (math.isfinite(x) and math.isfinite(y))):
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


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def flat_keypoints(person: dict[str, Any], num_keypoints: int, path: Path) -> list[float]:
    """Return the flat keypoints of an annotation; those without any (crowds often) have all unlabelled."""
    keypoints = person.get("keypoints") or [0] * (3 * num_keypoints)
    if len(keypoints) != 3 * num_keypoints:
        raise InputError(
            f"{path}: annotation {person.get('id')}: keypoints: {len(keypoints)} numbers, but the skeleton has"
            f" {num_keypoints} keypoints, 3 numbers each; choose the skeleton of this data set"
        )
    return [float(value) for value in keypoints]


def outline(person: dict[str, Any], image_hw: Sequence[int] | np.ndarray, path: Path) -> Any:
    """Return the outline of an annotation as COCO stores it, polygons or run lengths, if it is one."""
    segmentation = person["segmentation"]
    if isinstance(segmentation, dict):
        sound = "counts" in segmentation and list(segmentation.get("size", ())) == list(image_hw)
    else:
        sound = isinstance(segmentation, list) and all(
            isinstance(polygon, list) and len(polygon) % 2 == 0 and all(map(_is_number, polygon))
            for polygon in segmentation
        )
    if not sound:
        raise InputError(
            f"{path}: annotation {person.get('id')}: segmentation: must be polygons, lists of x and y in turn, or run"
            f" lengths (size, counts) of an image of {image_hw[1]}x{image_hw[0]} px; correct or remove it"
        )
    return segmentation


def _box_slices(box: np.ndarray) -> tuple[slice, slice]:
    x, y, width, height = (float(value) for value in box)
    left, top = max(0, math.floor(x)), max(0, math.floor(y))
    return slice(top, max(top, math.ceil(y + height))), slice(left, max(left, math.ceil(x + width)))


def _rasterise(segmentation: Any, height: int, width: int) -> np.ndarray:
    """Fill an outline as COCO stores it: a list of polygons, or run lengths, compressed or not."""
    if isinstance(segmentation, list):
        mask = np.zeros((height, width), dtype=np.uint8)
        polygons = [np.asarray(polygon, dtype=np.float64).reshape(-1, 2) for polygon in segmentation]
        # COCO's polygons run along pixel edges, OpenCV's through pixel centres.
        cv2.fillPoly(mask, [np.round(polygon - 0.5).astype(np.int32) for polygon in polygons], 1)
        return mask.astype(bool)
    if isinstance(segmentation["counts"], list):
        segmentation = rle.frPyObjects(segmentation, height, width)
    return np.asarray(rle.decode(segmentation), dtype=bool)
