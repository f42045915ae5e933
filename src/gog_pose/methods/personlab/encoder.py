"""PersonLab's encoder, which converts people to disks, short-range and mid-range offsets."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
import torch

from gog_pose.errors import InputError
from gog_pose.maps.fields import Field
from gog_pose.maps.marks import GridMarks, TargetMarks, render_marks, supervision_mask
from gog_pose.maps.vectors import nearest_owners
from gog_pose.maps.windows import windows_around
from gog_pose.methods.people import People, checked_keypoints
from gog_pose.methods.personlab.records import PersonLabTargets, edges, fields
from gog_pose.skeleton import Skeleton
from gog_pose.system.options import Count, Positive

_FARTHEST = 1e6  # px; keypoints beyond are mistakes, and float32 has no fractions of a px there


class PersonLabEncoder:
    """Computes disks and the offsets inside them (Papandreou et al., "PersonLab", 2018, Sec. 3.1).

    Where disks of a type overlap, the nearest keypoint owns a cell. If two are equally near, the person whose keypoints
    lie further left owns it, independent of the order of people.

    Args:
        skeleton: Keypoint types and limbs.
        stride: Px of the input image per cell, ``R``.
        radius: Radius of the disks, px of the input image.

    Raises:
        InputError: An option is out of range, or the skeleton has no limbs.
    """

    def __init__(self, skeleton: Skeleton, *, stride: Count = 4, radius: Positive = 32.0) -> None:
        if stride < 1 or not radius >= stride:  # true for nan, too
            raise InputError(
                f"encoder: stride {stride} must be >= 1 and radius {radius} at least the stride, so that every disk"
                " has a cell"
            )
        self.skeleton = skeleton
        self.stride = stride
        self.radius = radius
        directed = edges(skeleton)
        self._ends = np.array([end for _, end in directed])
        types = skeleton.num_keypoints
        leaving = [[edge for edge, (start, _) in enumerate(directed) if start == kind] for kind in range(types)]
        self._leaving = np.full((types, max(map(len, leaving))), -1)  # edges from each type, padded with -1
        for kind, row in enumerate(leaving):
            self._leaving[kind, : len(row)] = row
        self._lengths = [types, 2 * types, 2 * len(directed), len(directed)]  # maps per field

    @property
    def sigma(self) -> float:
        """Typical standard deviation of the responses, px of the input image; for disks, half of the radius."""
        return self.radius / 2

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """Fields of the maps that the targets are."""
        return fields(self.skeleton, self.stride)

    def points(self, people: People) -> np.ndarray:
        """Return the ``(P, K, 3)`` keypoints; fields do not refer to other points."""
        return people.keypoints

    def marks(self, people: People, image_size: tuple[int, int], ignore: np.ndarray | None = None) -> TargetMarks:
        """Compute the targets of one image as the cells that are not 0.

        Args:
            people: People, of whom the keypoints are used; all with visibility > 0 have targets.
            image_size: ``(H, W)`` of the input image, multiples of the stride.
            ignore: ``(H, W)`` bool, True = do not supervise; a cell is ignored when most of its pixels are.

        Raises:
            ValueError: A shape is wrong, or the image size is not a multiple of the stride.
        """
        types = self.skeleton.num_keypoints
        keypoints, map_size = checked_keypoints(people, types, image_size, self.stride)
        area = map_size[0] * map_size[1]

        labeled = (keypoints[..., 2] > 0) & (np.abs(keypoints[..., :2]) < _FARTHEST).all(axis=2)  # false for nan
        person, kind = np.nonzero(labeled)
        points = np.ascontiguousarray(keypoints[person, kind, :2].T)  # (2, N)
        reach = math.floor(self.radius / self.stride + 0.5)  # a keypoint is at most 0.5 cells from the middle
        windows = windows_around(points, kind, reach, map_size=map_size, stride=self.stride)
        squared = np.where(windows.inside, (windows.lines - points[:, None]) ** 2, np.float32(np.inf))  # (2, S, N)
        distance = squared[1][:, None] + squared[0]
        distance[distance > self.radius**2] = np.inf
        owned = nearest_owners(windows.places, distance, _order(keypoints, labeled, person), types * area)

        row, column, owner = np.unravel_index(owned, distance.shape)
        cells = windows.places.ravel()[owned]  # the cells of type k begin at k h w
        centers = np.stack([windows.lines[0, column, owner], windows.lines[1, row, owner]])  # (2, M)
        person, kind = person[owner], kind[owner]
        leaving = self._leaving[kind]
        entry, which = np.nonzero((leaving >= 0) & labeled[person[:, None], self._ends[leaving]])
        edge = leaving[entry, which]
        goals = keypoints[person[entry], self._ends[edge], :2].T

        flat = cells - kind * area
        first = np.cumsum([0, *self._lengths]) * area  # index of the first cell of each field
        x_of_short, x_of_mid = first[1] + 2 * kind * area + flat, first[2] + 2 * edge * area + flat[entry]
        ones = np.ones(len(owned) + len(edge), dtype=np.float32)
        places = (cells, first[3] + edge * area + flat[entry], x_of_short, x_of_short + area, x_of_mid, x_of_mid + area)
        values = (ones, *(points[:, owner] - centers), *(goals - centers[:, entry]))
        marks = GridMarks(
            torch.zeros(0, dtype=torch.int64),
            torch.zeros(0),
            torch.from_numpy(np.concatenate(places)),
            torch.from_numpy(np.concatenate(values)),
            supervision_mask(ignore, map_size, self.stride),
            sum(self._lengths),
        )
        return TargetMarks((marks,))

    def render(self, marks: TargetMarks) -> PersonLabTargets:
        """Write the marks of a batch of images into targets on their device."""
        (grid,) = marks.grids
        return PersonLabTargets._make([*torch.split(render_marks(grid), self._lengths, dim=1), grid.mask])


def _order(keypoints: np.ndarray, labeled: np.ndarray, person: np.ndarray) -> np.ndarray:
    """Return the ``(N,)`` order of the labeled keypoints by the positions of all keypoints of their person."""
    x, y = np.where(labeled, np.moveaxis(keypoints[..., :2], -1, 0), 0)
    rank = np.empty(len(keypoints), dtype=np.intp)
    rank[np.lexsort((*y.T, *x.T))] = np.arange(len(keypoints))
    return np.argsort(rank[person], kind="stable")
