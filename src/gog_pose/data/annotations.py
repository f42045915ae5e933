"""COCO-format keypoint annotations, packed into arrays that DataLoader workers share."""

from __future__ import annotations

import math
import os
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gog_pose.data.annotation_file import AnnotationFile, uncollected
from gog_pose.data.outlines import Outlines
from gog_pose.data.rules import check_size, flat_keypoints, is_supervised, outline
from gog_pose.errors import InputError
from gog_pose.imaging.reading import read_image, resolve_inside


class AnnotatedPeople(NamedTuple):
    """The person annotations of one image.

    Attributes:
        boxes: ``(A, 4)`` float32 x, y, width, height, px of the original image.
        keypoints: ``(A, K, 3)`` float32 x, y (px, original image) and visibility 0/1/2.
        is_crowd: ``(A,)`` True for regions with a crowd instead of a single person.
        areas: ``(A,)`` float32 area of the outline, px^2 of the original image; 0.53 of the box's area if missing.
    """

    boxes: np.ndarray
    keypoints: np.ndarray
    is_crowd: np.ndarray
    areas: np.ndarray

    @property
    def is_labelled(self) -> np.ndarray:
        """``(A,)`` True for single people with at least one labeled keypoint."""
        return ~self.is_crowd & (self.keypoints[..., 2] > 0).any(axis=1)


class CocoKeypoints:
    """The images and people of one COCO-format JSON file.

    Args:
        annotations: The JSON file, or the result of ``AnnotationFile.of``.
        image_root: Folder of its images; None if no images will be read.
        num_keypoints: Keypoints per person in the skeleton.
        min_area: People with a smaller area, px^2 of the original image, count as people without keypoints.

    Raises:
        InputError: The file, the folder or an image file is missing, the file is malformed, or an entry breaks a rule.
    """

    @uncollected()
    def __init__(
        self,
        annotations: str | Path | AnnotationFile,
        image_root: str | Path | None,
        num_keypoints: int,
        min_area: float = 0,
    ) -> None:
        file = AnnotationFile.of(annotations)
        self.path = file.path
        self.image_root = None if image_root is None else Path(image_root)
        if self.image_root is not None and not self.image_root.is_dir():
            raise InputError(f"{self.image_root}: no such folder of images; check data.root and data.images")

        images = sorted(file.images, key=lambda image: image["id"])
        self.image_ids = np.array([image["id"] for image in images], dtype=np.int64)
        self.file_names = np.array([image["file_name"] for image in images], dtype=np.str_)
        self.sizes = np.array([(image["height"], image["width"]) for image in images], dtype=np.int64).reshape(-1, 2)
        if self.image_root is not None:
            self._check_files_exist(self.image_root)

        people = list(file.people.values())
        index = {image_id: place for place, image_id in enumerate(self.image_ids.tolist())}
        owners = np.array([index[person["image_id"]] for person in people], dtype=np.int64)
        # Arrays are filled in the file's order, which is also that of its entries in memory, and sorted afterwards.
        order = np.argsort(owners, kind="stable")
        self._first = np.searchsorted(owners[order], np.arange(len(images) + 1))
        self._boxes = np.array([person["bbox"] for person in people], dtype=np.float32).reshape(-1, 4)[order]
        self._is_crowd = np.array([person["iscrowd"] for person in people], dtype=bool)[order]
        keypoints = chain.from_iterable(
            flat_keypoints(person, num_keypoints, file.where(place)) for place, person in file.people.items()
        )
        self._keypoints = np.fromiter(keypoints, dtype=np.float32).reshape(-1, num_keypoints, 3)[order]
        self._areas = np.array([person["area"] for person in people], dtype=np.float32)[order]
        self._keypoints[self._areas < min_area] = 0
        sizes = self.sizes[owners].tolist()
        entries = np.argsort(order).tolist()
        self._outlines = Outlines(
            (entry, outline(person, size, file.where(place)))
            for entry, size, (place, person) in zip(entries, sizes, file.people.items(), strict=True)
            if person.get("segmentation") and not is_supervised(person, min_area)
        )

    def __len__(self) -> int:
        return len(self.image_ids)

    def image_path(self, index: int) -> Path:
        """Return the file of an image.

        Raises:
            InputError: The file name leads out of the image root.
            ValueError: There is no image root.
        """
        if self.image_root is None:
            raise ValueError(f"{self.path}: was read without image_root; give the folder of its images")
        return resolve_inside(self.image_root, str(self.file_names[index]))

    def read_image(self, index: int) -> np.ndarray:
        """Return the pixels of an image, ``(H, W, 3)`` uint8 RGB.

        Raises:
            InputError: The file is missing or damaged, or its size differs from that in the annotations.
            ValueError: There is no image root.
        """
        path = self.image_path(index)
        pixels = read_image(path)
        check_size(path, pixels.shape[:2], self.sizes[index], self.path)
        return pixels

    def people(self, index: int) -> AnnotatedPeople:
        """Return the person annotations of an image."""
        own = slice(self._first[index], self._first[index + 1])
        return AnnotatedPeople(self._boxes[own], self._keypoints[own], self._is_crowd[own], self._areas[own])

    def ignore_mask(self, index: int) -> np.ndarray:
        """Return the ignored region of an image, ``(H, W)`` bool, px of the original image.

        It consists of the outlines (polygons or RLE) of crowds and people without keypoints, or of their boxes if they
        have no outline that encloses pixels. The boxes of labeled people are never ignored, even inside a crowd.
        """
        height, width = self.sizes[index]
        ignored = np.zeros((height, width), dtype=bool)
        people = self.people(index)
        labelled = people.is_labelled
        for place in np.flatnonzero(~labelled):
            inside = self._outlines.mask(int(self._first[index] + place), (int(height), int(width)))
            if inside is None:
                ignored[_box_slices(people.boxes[place])] = True
            else:
                ignored |= inside
        for box in people.boxes[labelled]:
            ignored[_box_slices(box)] = False
        return ignored

    def with_labelled_people(self) -> np.ndarray:
        """Return the indices of images that have at least one person with keypoints."""
        owners = np.repeat(np.arange(len(self)), np.diff(self._first))
        return np.unique(owners[AnnotatedPeople(self._boxes, self._keypoints, self._is_crowd, self._areas).is_labelled])

    def with_people(self) -> np.ndarray:
        """Return the indices of images that have any person annotation, crowds included."""
        return np.flatnonzero(np.diff(self._first) > 0)

    def _check_files_exist(self, image_root: Path) -> None:
        for name in self.file_names.tolist():
            if not os.path.isfile(resolve_inside(image_root, name)):
                raise InputError(
                    f"{self.path}: images: {name!r} is not in {image_root}; add the file or remove its entry"
                )


def _box_slices(box: np.ndarray) -> tuple[slice, slice]:
    x, y, width, height = (float(value) for value in box)
    left, top = max(0, math.floor(x)), max(0, math.floor(y))
    return slice(top, max(top, math.ceil(y + height))), slice(left, max(left, math.ceil(x + width)))
