"""Upper bound of encoder and decoder on ground-truth maps, perfect or disturbed (Sec. 3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np

from gog_pose import geometry
from gog_pose.data.annotations import CocoKeypoints
from gog_pose.data.augmentation import Warp, warp_boxes, warp_keypoints
from gog_pose.errors import InputError
from gog_pose.evaluation.detections import PlacedImage, detect
from gog_pose.evaluation.oracle.diagnosis import ImageDiagnosis, diagnose
from gog_pose.evaluation.oracle.noise import MapNoise
from gog_pose.maps.records import as_batch
from gog_pose.methods.method import Decoder, Encoder
from gog_pose.methods.people import People
from gog_pose.poses import Poses

# Two responses of one type nearer than this merge into one peak, because no cell lies between them.
_CROWDED_CELLS = 2


class AnnotatedImage(NamedTuple):
    """The annotations of one image.

    Attributes:
        image_id: COCO's id.
        file_name: File name in the annotations.
        image_hw: Height and width, px.
        keypoints: ``(P, K, 3)`` float32, people with labeled keypoints: x, y (px, original image), visibility.
        boxes: ``(P, 4)`` float32 x, y, width, height, px.
        areas: ``(P,)`` float32 px^2.
    """

    image_id: int
    file_name: str
    image_hw: tuple[int, int]
    keypoints: np.ndarray
    boxes: np.ndarray
    areas: np.ndarray


class OracleResult(NamedTuple):
    """The result for one image.

    Attributes:
        poses: The detections, px of the original image.
        diagnosis: One verdict per person.
    """

    poses: Poses
    diagnosis: ImageDiagnosis


def images_with_labelled_people(images: CocoKeypoints, limit: int | None = None) -> list[AnnotatedImage]:
    """Return the first ``limit`` (or all) images that have people with labeled keypoints, with these people only."""
    found = []
    for index in images.with_labelled_people()[:limit]:
        people = images.people(index)
        labelled = people.is_labelled
        height, width = images.sizes[index].tolist()
        found.append(
            AnnotatedImage(
                int(images.image_ids[index]),
                str(images.file_names[index]),
                (height, width),
                people.keypoints[labelled],
                people.boxes[labelled],
                people.areas[labelled],
            )
        )
    return found


@dataclass(frozen=True)
class Oracle:
    """Renders the maps of an image from its annotations, adds noise, and decodes them.

    Attributes:
        encoder: Renders the maps.
        decoder: Decodes the maps.
        noise: Disturbs the maps before decoding; the default does not.
        seed: Seed of the noise. The noise of an image does not depend on the other images.
        long_side: Length of the long side of the network input, px, as in evaluation.
        multiple: Both sides of the input are padded to multiples of this, px.

    Raises:
        InputError: A value is out of range, or encoder and decoder differ in stride.
    """

    encoder: Encoder
    decoder: Decoder
    noise: MapNoise = field(default_factory=MapNoise)
    seed: int = 0
    long_side: int = 640
    multiple: int = 128

    def __post_init__(self) -> None:
        """Check the numbers."""
        stride = self.encoder.stride
        if self.long_side < 1:
            raise InputError(f"long_side: must be 1 px or more, got {self.long_side}")
        if self.multiple < 1 or self.multiple % stride:
            raise InputError(f"multiple: {self.multiple} must be a multiple of the stride {stride}")
        if self.decoder.stride != stride:
            raise InputError(
                f"decoder.stride: {self.decoder.stride} differs from the encoder's stride {stride}; make them equal"
            )
        if self.seed < 0:
            raise InputError(f"seed: must be 0 or more, got {self.seed}")

    def __call__(self, image: AnnotatedImage) -> OracleResult:
        """Return the detections of one image and the verdicts on its people."""
        skeleton = self.encoder.skeleton
        random = np.random.default_rng((self.seed, abs(image.image_id)))
        matrix, _, size, _ = geometry.letterbox(image.image_hw, self.long_side, self.multiple)
        enlargement = geometry.area_scale(matrix)
        keypoints = warp_keypoints(image.keypoints, Warp(matrix, flipped=False), size, skeleton)
        scales = (np.sqrt(image.boxes[:, 2] * image.boxes[:, 3]) * enlargement).astype(np.float32)

        difficulties = self.noise.difficulties(scales, random)
        drawn = self.noise.displaced(keypoints, scales, difficulties, skeleton, random)
        people = People(drawn, scales, warp_boxes(image.boxes, matrix, size))
        maps = self.encoder.render(self.encoder.marks(people, size)).as_maps()
        if self.noise != MapNoise():
            maps = self.noise.disturbed(maps, people, difficulties, self.encoder, random)
        poses = self.decoder(maps)[0].transformed(np.linalg.inv(matrix))
        crowding = _CROWDED_CELLS * self.encoder.stride / enlargement
        return OracleResult(poses, diagnose(image.keypoints, image.areas, poses, skeleton, crowding=crowding))


class EncodedImage(PlacedImage, Protocol):
    """An image with its targets."""

    @property
    def targets(self) -> Any:
        """The targets of one image, as returned by the method's encoder."""


def oracle_detections(samples: Iterable[EncodedImage], decoder: Decoder) -> dict[int, list[dict[str, Any]]]:
    """Decode the targets of a data set's samples as if a network had predicted them.

    Args:
        samples: Images with targets.
        decoder: The decoder to measure.

    Returns:
        The detected people by image id, the input of ``CocoKeypointEvaluator.evaluate``.
    """
    return {int(sample.image_id): detect(sample, as_batch(sample.targets).as_maps(), decoder) for sample in samples}
