"""Detections in COCO's results format: decoding, writing and reading."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch

from gog_pose.data.annotation_file import read_json
from gog_pose.data.rules import check_category, check_detection
from gog_pose.errors import InputError
from gog_pose.methods.method import Decoder, Maps
from gog_pose.system.files import replaced


class PlacedImage(Protocol):
    """The id of an image and the transformation to the network input."""

    @property
    def matrix(self) -> torch.Tensor:
        """``(3, 3)`` transformation from px of the original image to px of the network input."""

    @property
    def image_id(self) -> int:
        """COCO's id of the image."""


def detect(image: PlacedImage, maps: Maps, decoder: Decoder) -> list[dict[str, Any]]:
    """Decode the maps of one image (batch size 1) into COCO results in px of the original image."""
    poses = decoder(maps)[0].transformed(np.linalg.inv(image.matrix.cpu().numpy()))
    return poses.to_coco(int(image.image_id))


def write_detections(path: Path, people: Iterable[dict[str, Any]]) -> None:
    """Write a file of detections in COCO's results format, one line per person."""
    with replaced(path) as part:
        part.write_text("[" + ",\n".join(json.dumps(entry) for entry in people) + "]\n", encoding="utf-8")


class ReadDetections(NamedTuple):
    """A file of detections.

    Attributes:
        of_images: Detections per image id; images without detections are absent.
        left_out: Number of detections of other categories, which are left out.
    """

    of_images: dict[int, list[dict[str, Any]]]
    left_out: int


def read_detections(path: str | Path, num_keypoints: int, categories: Collection[int]) -> ReadDetections:
    """Read a file of detections in COCO's results format, written by any program.

    Only the fields that COCO requires are kept, because pycocotools would compute the area from a ``bbox`` if present.

    Args:
        path: The JSON file.
        num_keypoints: Keypoints per person.
        categories: Category ids of the annotated people.

    Raises:
        InputError: The file is missing or malformed, or all detections are of other categories.
    """
    content = read_json(Path(path), "file of detections; check detections=")
    if not isinstance(content, list):
        raise InputError(
            f"{path}: must be a list with one entry per detected person; give a file in COCO's results format"
        )
    detections: dict[int, list[dict[str, Any]]] = {}
    others = set()
    left_out = 0
    for place, entry in enumerate(content):
        where = f"{path}: [{place}]"
        check_category(entry, where)
        if entry["category_id"] not in categories:
            left_out += 1
            others.add(entry["category_id"])
            continue
        check_detection(entry, where, num_keypoints)
        kept = {field: entry[field] for field in ("image_id", "category_id", "keypoints", "score")}
        detections.setdefault(entry["image_id"], []).append(kept)
    if left_out and not detections:
        raise InputError(
            f"{path}: category_id: is {min(others)}, but the annotated people have {min(categories)}; correct it, or"
            " choose another category"
        )
    return ReadDetections(detections, left_out)
