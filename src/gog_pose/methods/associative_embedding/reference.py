"""Reference implementations of encoder and decoder, for tests and benchmarks."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from gog_pose.errors import InputError
from gog_pose.geometry import cells_to_image
from gog_pose.maps.surface import Tiles, whole_maps
from gog_pose.methods.associative_embedding.decoder import AssociativeDecoder
from gog_pose.methods.associative_embedding.encoder import AssociativeEncoder
from gog_pose.methods.method import Reference


def encode_plainly(
    encoder: AssociativeEncoder, keypoints: np.ndarray, scales: np.ndarray, image_size: tuple[int, int]
) -> tuple[np.ndarray, ...]:
    """Compute the heatmaps of one image by a loop over keypoints, each on a complete map.

    Raises:
        InputError: The encoder quantizes keypoints or has two resolutions.
    """
    if encoder.quantize or encoder.resolutions != 1:
        raise InputError("method.encoder: the reference has no such targets; use method=associative_embedding")
    rows, columns = (cells_to_image(np.arange(side // encoder.stride), encoder.stride) for side in image_size)
    heatmaps = np.zeros((encoder.skeleton.num_keypoints, len(rows), len(columns)), dtype=np.float32)
    for person in keypoints:
        for kind, (x, y, visibility) in enumerate(person):
            if visibility > 0:
                squared = (rows[:, None] - y) ** 2 + (columns - x) ** 2
                response = np.exp(-squared / (2 * encoder.sigma**2))
                response[response < encoder.min_response] = 0
                np.maximum(heatmaps[kind], response, out=heatmaps[kind])
    return (heatmaps,)


@dataclass(frozen=True)
class ProjectingDecoder(AssociativeDecoder):
    """``AssociativeDecoder`` that projects all maps to the size of the input image, like the public program.

    Peaks are searched in complete interpolated heatmaps, and missing keypoints at all px of the projected heatmaps and
    tags. The poses are the same.
    """

    @staticmethod
    def interpolate(maps: np.ndarray, stride: int, threshold: float, interpolation: str) -> Tiles:
        """Interpolate complete heatmaps."""
        return whole_maps(maps, stride, threshold, interpolation)

    def _find_missing(self, *maps: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Find the cells of missing keypoints by comparing each person with each px."""
        people, means, heatmaps, tags = maps
        width = heatmaps.shape[2]
        heatmaps = heatmaps.repeat(self.stride, 1).repeat(self.stride, 2)
        tags = tags.repeat(self.stride, 2).repeat(self.stride, 3)
        found = []
        for person, kind in zip(*np.nonzero(people < 0), strict=True):
            distance = np.linalg.norm(tags[kind] - means[person][:, None, None], axis=0)
            usable = (heatmaps[kind] > 0) & (distance < self.tag_threshold)
            score = np.where(usable, heatmaps[kind] - np.round(distance), -np.inf)
            row, column = np.unravel_index(score.argmax(), score.shape)
            if usable[row, column]:
                found.append((person, kind, row // self.stride * width + column // self.stride))
        person, kind, cell = np.array(found, dtype=np.intp).reshape(-1, 3).T
        return person, kind, cell


def projecting(decoder: AssociativeDecoder) -> ProjectingDecoder:
    """Return the form of a decoder that projects all maps.

    Raises:
        InputError: The decoder has other rules.
    """
    if type(decoder) is not AssociativeDecoder:
        raise InputError("method.decoder: has no reference to compare with; use method=associative_embedding")
    return ProjectingDecoder(**{field.name: getattr(decoder, field.name) for field in fields(decoder)})


REFERENCE = Reference(encode_plainly, ("heatmaps",), projecting)
