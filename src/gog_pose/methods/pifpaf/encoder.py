"""PIFPAF's encoder, which converts people to composite fields."""

from __future__ import annotations

import itertools
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch

from gog_pose.errors import InputError
from gog_pose.geometry import image_to_cells
from gog_pose.maps.fields import Field
from gog_pose.maps.marks import GridMarks, TargetMarks, render_marks, supervision_mask
from gog_pose.maps.ranges import counted
from gog_pose.maps.vectors import nearest_owners
from gog_pose.methods.people import People, checked_keypoints
from gog_pose.methods.pifpaf.records import PifpafTargets, fields, require_limbs
from gog_pose.skeleton import Skeleton
from gog_pose.system.options import Count

_FREE = 0.4  # largest part of a limb's length without cells at each end
_DECIMALS = 6  # of positions on limbs, so that exact halves are rounded consistently


class PifpafEncoder:
    """Computes the targets of "PifPaf: Composite Fields for Human Pose Estimation" (Kreiss et al., 2019, Sec. 3.2-3.3).

    Positions are rounded to the same cells as in the public program, with two differences: the targets of a cell at the
    same distance from the keypoints of two people do not depend on the order of people, and ignored regions are not
    eroded.

    Args:
        skeleton: Keypoint types and limbs.
        stride: Px of the input image per cell of the features.
        coarser: Cells of the features per cell of the fields, along an axis. With 2 and a trunk of stride 4, the fields
            have stride 8 as in the public program.
        side: Side of the square of cells around a keypoint, cells of the fields.
        width: Width of the band of cells along a limb, cells of the fields.

    Raises:
        InputError: An option is out of range, or the skeleton has no limbs.
    """

    def __init__(
        self, skeleton: Skeleton, *, stride: Count = 4, coarser: Count = 1, side: Count = 4, width: Count = 3
    ) -> None:
        require_limbs(skeleton)
        if min(stride, coarser, side, width) < 1:
            raise InputError(
                f"encoder: stride {stride}, coarser {coarser}, side {side} and width {width} must be 1 or more"
            )
        self.skeleton = skeleton
        self.stride = stride
        self.coarser = coarser
        self.side = side
        self.width = width
        self.sigma = side * stride * coarser / 4  # px; the squares are about four times as wide
        types, limbs = skeleton.num_keypoints, skeleton.num_limbs
        lengths = {"heatmaps": types, "limb_heatmaps": limbs, "vectors": 2 * types, "scales": types}
        self._lengths = {**lengths, "limb_vectors": 4 * limbs}
        self._starts = dict(zip(self._lengths, itertools.accumulate(self._lengths.values(), initial=0), strict=False))

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """Fields of the maps that the targets are."""
        return fields(self.skeleton, self.stride * self.coarser)

    def points(self, people: People) -> np.ndarray:
        """Return the ``(P, K, 3)`` keypoints; fields do not refer to other points."""
        return people.keypoints

    def marks(self, people: People, image_size: tuple[int, int], ignore: np.ndarray | None = None) -> TargetMarks:
        """Compute the targets of one image as the cells that are not 0.

        A limb has a target if both of its ends are labeled.

        Args:
            people: People, of whom the keypoints are used; all with visibility > 0 have targets.
            image_size: ``(H, W)`` of the input image, multiples of the fields' stride.
            ignore: ``(H, W)`` bool, True = do not supervise; a cell is ignored when most of its pixels are.

        Raises:
            ValueError: A shape is wrong, or the image size is not a multiple of the stride.
        """
        stride = self.stride * self.coarser
        keypoints, map_size = checked_keypoints(people, self.skeleton.num_keypoints, image_size, stride, np.float64)
        labeled = (keypoints[..., 2] > 0) & np.isfinite(keypoints).all(axis=2)  # (P, K)
        cells = image_to_cells(keypoints[..., :2], stride)  # (P, K, 2)

        marks = [*self._at_keypoints(cells, labeled, map_size), *self._on_limbs(cells, labeled, map_size)]
        area = map_size[0] * map_size[1]
        places = [(self._starts[field] + channel) * area + flat for field, channel, flat, _ in marks]
        grid = GridMarks(
            torch.zeros(0, dtype=torch.int64),
            torch.zeros(0),
            torch.from_numpy(np.concatenate(places)),
            torch.from_numpy(np.concatenate([values for *_, values in marks]).astype(np.float32)),
            supervision_mask(ignore, map_size, stride),
            sum(self._lengths.values()),
        )
        return TargetMarks((grid,))

    def render(self, marks: TargetMarks) -> PifpafTargets:
        """Write the marks of a batch of images into targets on their device."""
        (grid,) = marks.grids
        return PifpafTargets._make([*torch.split(render_marks(grid), list(self._lengths.values()), dim=1), grid.mask])

    def _at_keypoints(self, cells: np.ndarray, labeled: np.ndarray, map_size: tuple[int, int]) -> list[_Mark]:
        """Return the marks of the squares around keypoints (Sec. 3.2)."""
        person, kind = np.nonzero(labeled)
        goals = cells[person, kind]  # (N, 2)
        sizes = _sizes(cells, labeled)[person] * np.array(self.skeleton.oks_sigmas)[kind]
        corners = np.round(goals - (self.side - 1) / 2)
        owned = _owned(corners, goals[None], kind, sizes, num_items=labeled.shape[1], side=self.side, map_size=map_size)
        (vectors,), owner = owned.vectors * self.stride * self.coarser, owned.owner
        item = kind[owner]
        return [
            _Mark("heatmaps", item, owned.cells, np.ones(len(owner))),
            _Mark("vectors", 2 * item, owned.cells, vectors[:, 0]),
            _Mark("vectors", 2 * item + 1, owned.cells, vectors[:, 1]),
            _Mark("scales", item, owned.cells, sizes[owner] * self.stride * self.coarser),
        ]

    def _on_limbs(self, cells: np.ndarray, labeled: np.ndarray, map_size: tuple[int, int]) -> list[_Mark]:
        """Return the marks of the bands along limbs (Sec. 3.3)."""
        first, second = np.array(self.skeleton.limbs, dtype=np.intp).reshape(-1, 2).T
        person, limb = np.nonzero(labeled[:, first] & labeled[:, second])
        ends = np.stack([cells[person, first[limb]], cells[person, second[limb]]])  # (2, N, 2)
        corners, source = _stations(ends, self.width)
        goals, limb = ends[:, source], limb[source]
        owned = _owned(
            corners,
            goals,
            limb,
            np.zeros(len(limb)),
            num_items=self.skeleton.num_limbs,
            side=self.width,
            map_size=map_size,
        )
        vectors, item = owned.vectors * self.stride * self.coarser, limb[owned.owner]
        seconds = item + self.skeleton.num_limbs
        return [
            _Mark("limb_heatmaps", item, owned.cells, np.ones(len(item))),
            _Mark("limb_vectors", 2 * item, owned.cells, vectors[0, :, 0]),
            _Mark("limb_vectors", 2 * item + 1, owned.cells, vectors[0, :, 1]),
            _Mark("limb_vectors", 2 * seconds, owned.cells, vectors[1, :, 0]),
            _Mark("limb_vectors", 2 * seconds + 1, owned.cells, vectors[1, :, 1]),
        ]


class _Mark(NamedTuple):
    """Values of a field: its name, and ``(M,)`` maps of the field, flat cells and values."""

    field: str
    channel: np.ndarray
    cells: np.ndarray
    values: np.ndarray


class _Owned(NamedTuple):
    """Cells of squares, each once per item.

    Attributes:
        cells: ``(M,)`` flat indices of cells on the map.
        owner: ``(M,)`` index of the square that each cell belongs to.
        vectors: ``(G, M, 2)`` from each cell to the goals of its square, cells.
    """

    cells: np.ndarray
    owner: np.ndarray
    vectors: np.ndarray


def _owned(
    corners: np.ndarray,
    goals: np.ndarray,
    items: np.ndarray,
    sizes: np.ndarray,
    *,
    num_items: int,
    side: int,
    map_size: tuple[int, int],
) -> _Owned:
    """Compute the cells of squares; a cell in several squares of an item belongs to the one with the nearest goal.

    Ties are resolved by size, then by the goals, independent of the order of squares.

    Args:
        corners: ``(N, 2)`` whole x, y of the first cell of each square.
        goals: ``(G, N, 2)`` points of each square, cells, of which the nearest one counts.
        items: ``(N,)`` item of each square.
        sizes: ``(N,)`` numbers that resolve ties.
        num_items: Number of items.
        side: Side of a square, cells.
        map_size: ``(h, w)`` cells.
    """
    height, width = map_size
    steps = np.arange(side, dtype=np.float64)[:, None, None]
    lines = corners.T + steps  # (S, 2, N)
    columns, rows = lines[:, 0], lines[:, 1, None]  # (S, N) and (S, 1, N)
    inside = (columns >= 0) & (columns < width) & ((rows >= 0) & (rows < height))  # (S, S, N)
    squared = [(goal[:, 0] - columns) ** 2 + (goal[:, 1] - rows) ** 2 for goal in goals]
    distance = np.where(inside, np.minimum.reduce(squared), np.inf).astype(np.float32)
    flat = np.where(inside, rows * width + columns, 0).astype(np.int64)
    order = np.lexsort((*(axis for goal in goals for axis in goal.T), sizes))
    chosen = nearest_owners(flat + items * (height * width), distance, order, num_items * height * width)
    owner = chosen % max(len(items), 1)
    cells = flat.ravel()[chosen]
    at = np.stack([cells % width, cells // width], axis=1)
    return _Owned(cells, owner, goals[:, owner] - at)


def _stations(ends: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Place squares along limbs, one per cell of a limb's length, except for about two cells at each end.

    Args:
        ends: ``(2, N, 2)`` ends of limbs, cells.
        width: Side of a square, cells.

    Returns:
        ``(M, 2)`` first cell of each square, and the ``(M,)`` index of its limb.
    """
    half = (width - 1) / 2
    lengths = np.linalg.norm(ends[1] - ends[0], axis=1)
    counts = np.maximum(2, np.ceil(lengths)).astype(np.intp)
    margins = np.minimum(_FREE, (half + 1) / (lengths + np.finfo(np.float32).eps))
    limb, step = counted(counts)
    part = (margins[limb] + step * ((1 - margins - margins) / (counts - 1))[limb])[:, None]
    first, second = np.round(ends - half)
    stations = first[limb] + part * (second - first)[limb]
    return np.round(np.round(stations, _DECIMALS)), limb


def _sizes(cells: np.ndarray, labeled: np.ndarray) -> np.ndarray:
    """Return the ``(P,)`` square roots of the areas that each person's labeled keypoints span, cells."""
    low = np.where(labeled[..., None], cells, np.inf).min(axis=1, initial=np.inf)
    high = np.where(labeled[..., None], cells, -np.inf).max(axis=1, initial=-np.inf)
    return np.asarray(np.sqrt(np.maximum(high - low, 0).prod(axis=1)))
