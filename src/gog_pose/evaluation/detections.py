"""Detections in COCO's results format, from the maps of one image or from a file."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from gog_pose.errors import InputError
from gog_pose.methods.method import Decoder, Maps
from gog_pose.system.files import replaced


class PlacedImage(Protocol):
    """An image and how it was resized for the network."""

    @property
    def matrix(self) -> torch.Tensor:
        """``(3, 3)`` px of the original image -> px of the network input."""

    @property
    def image_id(self) -> int:
        """COCO's id of the image."""


def detect(image: PlacedImage, maps: Maps, decoder: Decoder) -> list[dict[str, Any]]:
    """Decode the maps of one image, batch dimension 1, into COCO results in px of the original image."""
    poses = decoder(maps)[0].transformed(np.linalg.inv(image.matrix.cpu().numpy()))
    return poses.to_coco(int(image.image_id))


def write_detections(path: Path, people: Iterable[dict[str, Any]]) -> None:
    """Write a file of detections in COCO's results format, one line per person."""
    with replaced(path) as part:
        part.write_text("[" + ",\n".join(json.dumps(entry) for entry in people) + "]\n", encoding="utf-8")


def read_detections(path: str | Path, num_keypoints: int) -> dict[int, list[dict[str, Any]]]:
    """Read a file of detections in COCO's results format, of any program.

    Only the fields that COCO requires are kept: pycocotools would take the area from a ``bbox``.

    Args:
        path: The JSON file.
        num_keypoints: Keypoints per person.

    Returns:
        The detections of each image id that has any.

    Raises:
        InputError: The file is missing or malformed.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file of detections; check detections=") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a readable JSON file ({error}); restore it from its source") from None
    if not isinstance(content, list):
        raise InputError(
            f"{path}: must be a list with one entry per detected person; give a file in COCO's results format"
        )
    detections: dict[int, list[dict[str, Any]]] = {}
    for place, entry in enumerate(content):
        _check_detection(entry, f"{path}: [{place}]", num_keypoints)
        kept = {field: entry[field] for field in ("image_id", "category_id", "keypoints", "score")}
        detections.setdefault(entry["image_id"], []).append(kept)
    return detections


def _check_detection(entry: Any, where: str, num_keypoints: int) -> None:
    for field, kinds in {"image_id": int, "category_id": int, "keypoints": list, "score": (int, float)}.items():
        if not isinstance(entry, dict) or not isinstance(entry.get(field), kinds):  # type: ignore[arg-type]
            raise InputError(f"{where}.{field}: missing or of another type; give a file in COCO's results format")
    values = entry["keypoints"]
    if len(values) != 3 * num_keypoints:
        raise InputError(
            f"{where}.keypoints: {len(values)} numbers, but the skeleton has {num_keypoints} keypoints of 3 numbers;"
            " choose the skeleton of these detections"
        )
    if not all(isinstance(value, (int, float)) and math.isfinite(value) for value in (*values, entry["score"])):
        raise InputError(f"{where}: keypoints and score must be finite numbers; correct or remove the entry")
