"""From the maps of one image to detections in COCO's format; validation and the oracle share it."""

from __future__ import annotations

from typing import Any, Protocol

import torch

from gog_pose.decoding import Decoder
from gog_pose.records import PoseMaps


class PlacedImage(Protocol):
    """What is needed of an image: which it is and how it came to its size."""

    @property
    def matrix(self) -> torch.Tensor:
        """``(3, 3)`` px of the original image -> px of the network input."""

    @property
    def image_id(self) -> int:
        """COCO's id of the image."""


def detect(image: PlacedImage, maps: PoseMaps, decoder: Decoder) -> list[dict[str, Any]]:
    """Decode the maps of one image, batch dimension 1, into COCO results in px of the original image."""
    poses = decoder(maps)[0].transformed(torch.linalg.inv(image.matrix.cpu()).numpy())
    return poses.to_coco(int(image.image_id))
