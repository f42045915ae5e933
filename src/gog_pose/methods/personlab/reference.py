"""Reference implementations of encoder and decoders, for tests and benchmarks."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np

from gog_pose.errors import InputError
from gog_pose.geometry import cells_to_image
from gog_pose.methods.method import Reference
from gog_pose.methods.personlab.decoder import ImageReader, PersonLabDecoder
from gog_pose.methods.personlab.encoder import PersonLabEncoder
from gog_pose.methods.personlab.grouping import rank_people
from gog_pose.methods.personlab.records import edges
from gog_pose.poses import Poses


def encode_plainly(
    encoder: PersonLabEncoder, keypoints: np.ndarray, scales: np.ndarray, image_size: tuple[int, int]
) -> tuple[np.ndarray, ...]:
    """Compute the targets of one image by a loop over types, with the distances of each keypoint on a complete map.

    Cells at the same distance from the keypoints of two people belong to the person listed first.
    """
    xs, ys = (cells_to_image(np.arange(side // encoder.stride), encoder.stride) for side in image_size[::-1])
    cells = np.stack(np.meshgrid(xs, ys))  # (2, h, w)
    shape = cells.shape[1:]
    directed = edges(encoder.skeleton)
    types = encoder.skeleton.num_keypoints
    heatmaps, short_offsets = np.zeros((types, *shape)), np.zeros((types, 2, *shape))
    mid_offsets, mid_weights = np.zeros((len(directed), 2, *shape)), np.zeros((len(directed), *shape))
    labeled = keypoints[..., 2] > 0
    for kind in range(types):
        people = np.flatnonzero(labeled[:, kind])
        if not len(people):
            continue
        ways = keypoints[people, kind, :2, None, None] - cells  # (P, 2, h, w)
        squared = np.square(ways).sum(axis=1)
        nearest = squared.argmin(axis=0)
        inside = squared.min(axis=0) <= encoder.radius**2
        heatmaps[kind] = inside
        short_offsets[kind] = inside * np.take_along_axis(ways, nearest[None, None], axis=0)[0]
        for edge, (start, end) in enumerate(directed):
            if start == kind:
                owner = people[nearest]
                mid_weights[edge] = inside & labeled[owner, end]
                mid_offsets[edge] = mid_weights[edge] * (np.moveaxis(keypoints[owner, end, :2], -1, 0) - cells)
    return heatmaps, short_offsets.reshape(-1, *shape), mid_offsets.reshape(-1, *shape), mid_weights


@dataclass(frozen=True)
class ExhaustiveDecoder(PersonLabDecoder):
    """``PersonLabDecoder`` that walks from all roots and then drops duplicates. The poses are the same."""

    def _people(self, reader: ImageReader) -> Poses:
        """Walk from all roots; a person whose root lies near that keypoint of a better person is a duplicate."""
        roots = reader.roots()
        people: list[np.ndarray] = []
        for kind, xy in zip(roots.kinds.tolist(), roots.xy, strict=True):
            person = reader.grow(kind, xy)
            known = any(other[kind, 2] > 0 and math.dist(xy, other[kind, :2]) <= self.nms_radius for other in people)
            if not known and person[:, 2].mean() >= self.score_threshold and len(people) < self.topk:
                people.append(person)
        types = self.skeleton.num_keypoints
        return rank_people(people, num_keypoints=types, radius=self.nms_radius, least=self.score_threshold)


def exhaustive(decoder: PersonLabDecoder) -> ExhaustiveDecoder:
    """Return the form of a decoder that walks from all roots.

    Raises:
        InputError: The decoder has other rules.
    """
    if type(decoder) is not PersonLabDecoder:
        raise InputError("method.decoder: has no reference to compare with; use method=personlab")
    return ExhaustiveDecoder(**{field.name: getattr(decoder, field.name) for field in fields(decoder)})


def hough_plainly(heatmaps: np.ndarray, short_offsets: np.ndarray, *, stride: int, radius: float) -> np.ndarray:
    """Return the ``(K, H, W)`` Hough scores of all px; every px of the image votes, one type after the other."""
    types, height, width = heatmaps.shape
    size = height * stride, width * stride
    xs, ys = np.arange(size[1]), np.arange(size[0])
    columns, rows = (np.clip((px - (stride - 1) / 2) / stride, 0, side - 1) for px, side in ((xs, width), (ys, height)))
    right, below = _line(columns, width), _line(rows, height)  # (W, w), (H, h)
    scores = np.zeros((types, size[0] + 2, size[1] + 2))  # including px next to the image
    for kind in range(types):
        weight, dx, dy = (
            below @ a.astype(np.float64) @ right.T for a in (heatmaps[kind], *short_offsets[2 * kind : 2 * kind + 2])
        )
        x, y = xs + dx, ys[:, None] + dy
        kept = (x > -1) & (y > -1) & (x < size[1]) & (y < size[0])
        x, y, weight = x[kept], y[kept], weight[kept]
        left, top = np.floor(x).astype(int), np.floor(y).astype(int)
        for step_y, share_y in ((0, 1 - (y - top)), (1, y - top)):
            for step_x, share_x in ((0, 1 - (x - left)), (1, x - left)):
                np.add.at(scores[kind], (top + step_y + 1, left + step_x + 1), weight * share_y * share_x)
    return np.asarray(scores[:, 1:-1, 1:-1] / (math.pi * radius**2))


def _line(places: np.ndarray, cells: int) -> np.ndarray:
    """Return the ``(N, cells)`` weights of linear interpolation at positions between cells."""
    return np.asarray(np.maximum(0, 1 - np.abs(places[:, None] - np.arange(cells))))


REFERENCE = Reference(encode_plainly, ("heatmaps", "short_offsets", "mid_offsets", "mid_weights"), exhaustive)
