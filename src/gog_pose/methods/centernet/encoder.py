"""CenterNet's encoder: Gaussians at centers and keypoints, and vectors at their cells."""

from __future__ import annotations

import itertools
import math
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch

from gog_pose.errors import InputError
from gog_pose.geometry import cells_to_image
from gog_pose.maps.fields import Field
from gog_pose.maps.marks import GridMarks, TargetMarks, render_marks, supervision_mask
from gog_pose.maps.windows import nearest_cells
from gog_pose.methods.centernet.records import CenterTargets, fields, refined
from gog_pose.methods.people import People
from gog_pose.skeleton import Skeleton
from gog_pose.system.options import Count

_Vectors = tuple[str, np.ndarray | int, np.ndarray, np.ndarray]  # field, map of the field, cells, values

_MIN_OVERLAP = 0.7  # least IoU with boxes whose corners lie within the radius, as in CornerNet and CenterNet


class CenterEncoder:
    """Computes the targets of "Objects as Points" (Zhou et al., 2019), Sec. 3 and 4.

    Coordinates follow this package's conventions. CenterNet divides them by the stride and rounds down, which selects
    the same cells and makes all vectors 3/8 of a cell longer.

    Args:
        skeleton: Keypoint types.
        stride: Px of the input image per cell, ``R``.
        support: Side of the square of cells around a center that carries its vectors, cells, odd; CenterNet's is 1. The
            oracle under noise requires more, because it reads the vectors at displaced peaks.
        refinements: ``shared``: one refinement offset for keypoints of all types. ``per_type``: one per type.

    Raises:
        InputError: An option is out of range.
    """

    def __init__(
        self, skeleton: Skeleton, *, stride: Count = 4, support: Count = 1, refinements: str = "shared"
    ) -> None:
        if stride < 1 or support < 1 or support % 2 == 0:
            raise InputError(f"encoder: stride {stride} must be >= 1, support {support} odd")
        self.skeleton = skeleton
        self.stride = stride
        self.support = support
        self.sigma = float(stride)  # typical for a person of 100 px; the width of a Gaussian depends on the box
        self.refinements = refinements
        types, kinds = skeleton.num_keypoints, len(refined(skeleton, refinements))
        self._lengths = [1, types, 2 * types, types, 2, 2, 1, 2 * kinds, kinds]  # maps per field except the mask
        starts = itertools.accumulate(self._lengths, initial=0)
        self._starts = dict(zip(CenterTargets._fields, starts, strict=True))

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """Fields of the maps that the targets are."""
        return fields(self.skeleton, self.stride, self.refinements)

    def points(self, people: People) -> np.ndarray:
        """Return ``(P, K + 1, 3)`` points: the keypoints and, as a labeled point, the center of each box."""
        centers = people.boxes[:, :2] + people.boxes[:, 2:] / 2
        labeled = np.concatenate([centers, np.full((len(centers), 1), 2)], axis=1)
        return np.concatenate([people.keypoints, labeled[:, None]], axis=1).astype(np.float32)

    def marks(self, people: People, image_size: tuple[int, int], ignore: np.ndarray | None = None) -> TargetMarks:
        """Compute the targets of one image as the cells that are not 0.

        A person has a target if its box is not empty and at least one of its keypoints is labeled. Where vectors of
        several people overlap, a cell belongs to the nearest center, or for refinement offsets to the nearest keypoint.

        Args:
            people: People, of whom keypoints and boxes are used.
            image_size: ``(H, W)`` of the input image, multiples of the stride.
            ignore: ``(H, W)`` bool, True = do not supervise; a cell is ignored when most of its pixels are.

        Raises:
            ValueError: A shape is wrong, or the image size is not a multiple of the stride.
        """
        keypoints, boxes = people.keypoints.astype(np.float64), people.boxes.astype(np.float64)
        types = self.skeleton.num_keypoints
        if keypoints.ndim != 3 or keypoints.shape[1:] != (types, 3) or boxes.shape != (len(keypoints), 4):
            raise ValueError(f"keypoints must be (P, {types}, 3), boxes (P, 4), got {keypoints.shape}, {boxes.shape}")
        if image_size[0] % self.stride or image_size[1] % self.stride:
            raise ValueError(f"image_size {image_size} must be a multiple of the stride {self.stride}")
        height, width = map_size = image_size[0] // self.stride, image_size[1] // self.stride

        labelled = keypoints[..., 2] > 0  # (P, K)
        chosen = (boxes[:, 2:] > 0).all(axis=1) & labelled.any(axis=1)
        keypoints, boxes, labelled = keypoints[chosen], boxes[chosen], labelled[chosen]
        centers = boxes[:, :2] + boxes[:, 2:] / 2
        sides = np.ceil(boxes[:, 2:] / self.stride).astype(int).tolist()
        radii = np.array([gaussian_radius(h, w) for w, h in sides], dtype=np.int64)

        person, kind = np.nonzero(labelled)
        points = keypoints[person, kind, :2]
        center_cells, point_cells = (self._cells(xy, map_size) for xy in (centers, points))
        peaks = _gaussians(
            np.concatenate([center_cells, point_cells]),
            np.concatenate([np.zeros(len(centers), dtype=np.int64), 1 + kind]),
            np.concatenate([radii, radii[person]]),
            map_size,
        )

        one_item = np.zeros(len(centers), dtype=np.int64)
        at_centers = _squares(center_cells, centers, one_item, self.support, self.stride, map_size)
        items = kind if self.refinements == "per_type" else np.zeros_like(kind)
        at_points = _squares(point_cells, points, items, 1, self.stride, map_size)
        owner = at_centers.owner
        row, known = np.nonzero(labelled[owner])
        to_keypoints = keypoints[owner, :, :2] - at_centers.origins[:, None]  # (N, K, 2)
        to_centers = centers[owner] - at_centers.origins
        to_points = points[at_points.owner] - at_points.origins
        item = items[at_points.owner]
        vectors: list[_Vectors] = [
            ("offset_weights", known, at_centers.cells[row], np.ones(len(row))),
            ("center_weights", 0, at_centers.cells, np.ones(len(owner))),
            ("refinement_weights", item, at_points.cells, np.ones(len(to_points))),
        ]
        for axis in (0, 1):
            vectors += [
                ("offsets", 2 * known + axis, at_centers.cells[row], to_keypoints[row, known, axis]),
                ("sizes", axis, at_centers.cells, boxes[owner, 2 + axis]),
                ("center_refinements", axis, at_centers.cells, to_centers[:, axis]),
                ("refinements", 2 * item + axis, at_points.cells, to_points[:, axis]),
            ]
        places = [(self._starts[field] + channel) * height * width + cells for field, channel, cells, _ in vectors]
        values = [value for *_, value in vectors]
        marks = GridMarks(
            torch.from_numpy(peaks[0]),
            torch.from_numpy(peaks[1]),
            torch.from_numpy(np.concatenate(places)),
            torch.from_numpy(np.concatenate(values).astype(np.float32)),
            supervision_mask(ignore, map_size, self.stride),
            sum(self._lengths),
        )
        return TargetMarks((marks,))

    def render(self, marks: TargetMarks) -> CenterTargets:
        """Write the marks of a batch of images into targets on their device."""
        (grid,) = marks.grids
        return CenterTargets._make([*torch.split(render_marks(grid), self._lengths, dim=1), grid.mask])

    def _cells(self, points: np.ndarray, map_size: tuple[int, int]) -> np.ndarray:
        """Return the ``(N, 2)`` int64 x, y of the cells of the map that are nearest to points."""
        cells = nearest_cells(points, self.stride).astype(np.int64)
        return np.asarray(np.clip(cells, 0, (map_size[1] - 1, map_size[0] - 1)))


def gaussian_radius(height: int, width: int) -> int:
    """Return the distance, cells, that both corners of a box may move at an IoU of at least 0.7 (CornerNet, 2018).

    It is the smallest of three cases: both corners move inwards, both outwards, or one each way. The formulas are those
    of CenterNet's program, which divides roots of quadratic equations by 2 in place of 2a; the published weights were
    trained with them.

    Args:
        height: Height of the box, cells, rounded up.
        width: Width of the box, cells, rounded up.
    """
    total, area, least = height + width, height * width, _MIN_OVERLAP
    one_each_way = (total + math.sqrt(total**2 - 4 * area * (1 - least) / (1 + least))) / 2
    inwards = (2 * total + math.sqrt(4 * total**2 - 16 * (1 - least) * area)) / 2
    outwards = (-2 * least * total + math.sqrt(4 * least**2 * total**2 + 16 * least * (1 - least) * area)) / 2
    return max(0, int(min(one_each_way, inwards, outwards)))


def _gaussians(
    cells: np.ndarray, channels: np.ndarray, radii: np.ndarray, map_size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return ``(M,)`` int64 flat indices and ``(M,)`` float32 values of Gaussians of standard deviation (2r + 1) / 6.

    Args:
        cells: ``(N, 2)`` x, y of the peaks.
        channels: ``(N,)`` map of each peak.
        radii: ``(N,)`` radius r of the square of each Gaussian, cells.
        map_size: ``(h, w)`` cells.
    """
    places, values = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.float32)]
    for radius in np.unique(radii):  # all squares of the same size together
        chosen = radii == radius
        reach = np.arange(-radius, radius + 1)
        sigma = (2 * radius + 1) / 6
        line = np.exp(-(reach**2) / (2 * sigma**2))
        x, y = cells[chosen, 0, None, None] + reach, cells[chosen, 1, None, None] + reach[:, None]
        x, y = np.broadcast_arrays(x, y)
        inside = (x >= 0) & (x < map_size[1]) & (y >= 0) & (y < map_size[0])
        first = channels[chosen, None, None] * (map_size[0] * map_size[1])
        places.append((first + y * map_size[1] + x)[inside])
        values.append(np.broadcast_to(np.outer(line, line), x.shape)[inside].astype(np.float32))
    return np.concatenate(places), np.concatenate(values)


class _Squares(NamedTuple):
    """Distinct cells that carry vectors: their flat indices, their centers in px, and the indices of their points."""

    cells: np.ndarray
    origins: np.ndarray
    owner: np.ndarray


def _squares(
    cells: np.ndarray, points: np.ndarray, items: np.ndarray, support: int, stride: int, map_size: tuple[int, int]
) -> _Squares:
    """Return the squares of cells around points; a cell in several squares of an item belongs to the nearest point."""
    reach = np.arange(support) - support // 2
    x, y = np.broadcast_arrays(cells[:, 0, None, None] + reach, cells[:, 1, None, None] + reach[:, None])
    inside = (x >= 0) & (x < map_size[1]) & (y >= 0) & (y < map_size[0])
    owner = np.nonzero(inside)[0]
    x, y = x[inside], y[inside]
    origins = cells_to_image(np.stack([x, y], axis=1).astype(np.float64), stride)
    distance = np.square(points[owner] - origins).sum(axis=1)
    flat = y * map_size[1] + x
    places = items[owner] * (map_size[0] * map_size[1]) + flat
    order = np.lexsort((distance, places))
    first = np.ones(len(order), dtype=bool)
    first[1:] = places[order][1:] != places[order][:-1]
    kept = order[first]
    return _Squares(flat[kept], origins[kept], owner[kept])
