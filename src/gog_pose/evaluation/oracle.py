"""The upper bound: what encoder and decoder reach when the network is flawless (Sec. 3)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from gog_pose.decoding import GogDecoder
from gog_pose.evaluation.detections import PlacedImage, detect
from gog_pose.records import PoseMaps, PoseTargets


class EncodedImage(PlacedImage, Protocol):
    """What the oracle needs of an image beside its place: its targets."""

    @property
    def targets(self) -> PoseTargets:
        """Targets of one image."""


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
        detections[int(sample.image_id)] = detect(sample, maps, decoder)
    return detections
