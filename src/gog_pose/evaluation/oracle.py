"""The upper bound: what encoder and decoder reach when the network is flawless (Sec. 3)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import torch

from gog_pose.decoding import GogDecoder
from gog_pose.records import PoseMaps, PoseTargets


class EncodedImage(Protocol):
    """What the oracle needs of an image: its targets and how it came to its size."""

    @property
    def targets(self) -> PoseTargets:
        """Targets of one image."""

    @property
    def matrix(self) -> torch.Tensor:
        """``(3, 3)`` px of the original image -> px of the network input."""

    @property
    def image_id(self) -> int:
        """COCO's id of the image."""


def oracle_detections(samples: Iterable[EncodedImage], decoder: GogDecoder) -> dict[int, list[dict[str, Any]]]:
    """Decode the targets of images as if a network had answered them.

    Args:
        samples: Images with targets.
        decoder: The decoder to measure.

    Returns:
        For each image id the people found, as ``CocoKeypointEvaluator.evaluate`` takes them.
    """
    detections = {}
    for sample in samples:
        maps = PoseMaps(sample.targets.heatmaps[None], sample.targets.offsets[None])
        poses = decoder(maps)[0].transformed(torch.linalg.inv(sample.matrix).numpy())
        detections[int(sample.image_id)] = poses.to_coco(int(sample.image_id))
    return detections
