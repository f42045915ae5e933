"""Pictures of the maps: disks, and where short-range and mid-range offsets lead."""

from __future__ import annotations

import numpy as np

from gog_pose.drawing import draw_vectors, keypoint_colors
from gog_pose.geometry import cells_to_image
from gog_pose.maps.windows import nearest_cells
from gog_pose.methods.method import View
from gog_pose.methods.personlab.records import PersonLabMaps, PersonLabTargets, edges
from gog_pose.methods.views import HEATMAPS, to_array
from gog_pose.skeleton import Skeleton

_LEAST = 0.5  # probability of the cells whose short-range offsets are drawn
_EVERY = 3  # of the rows and columns of cells, so that lines can be told apart


def draw_short_offsets(
    image: np.ndarray, maps: PersonLabMaps, keypoints: np.ndarray, skeleton: Skeleton, stride: int
) -> np.ndarray:
    """Draw the short-range offsets of cells in disks, in the color of the keypoint that they should lead to."""
    return _draw_fans(image, to_array(maps.heatmaps[0]) > _LEAST, to_array(maps.short_offsets[0]), skeleton, stride)


def draw_taught_short_offsets(
    image: np.ndarray, targets: PersonLabTargets, keypoints: np.ndarray, skeleton: Skeleton, stride: int
) -> tuple[np.ndarray, str]:
    """Draw the short-range offsets that are taught: a disk is a fan that closes in one dot."""
    picture = draw_short_offsets(image, targets.as_maps(), keypoints, skeleton, stride)
    return picture, f"disks of {to_array(targets.heatmaps[0]).any(axis=(1, 2)).sum()} keypoint types"


def draw_mid_offsets(
    image: np.ndarray, maps: PersonLabMaps, keypoints: np.ndarray, skeleton: Skeleton, stride: int
) -> np.ndarray:
    """Draw where the mid-range offsets at the keypoints of people lead, before they are refined.

    A line has the color of the keypoint that it should lead to; a white line goes on from there to the keypoint itself.
    Edges with two found ends are drawn.
    """
    offsets = to_array(maps.mid_offsets[0])
    starts, ends = np.array(edges(skeleton)).T
    person, edge = np.nonzero((keypoints[:, starts, 2] > 0) & (keypoints[:, ends, 2] > 0))
    last = np.array(offsets.shape[:0:-1]) - 1
    cells = nearest_cells(keypoints[person, starts[edge], :2], stride).clip(0, last).astype(int)
    origins = cells_to_image(cells.astype(np.float64), stride)
    vectors = offsets.reshape(-1, 2, *offsets.shape[1:])[edge, :, cells[:, 1], cells[:, 0]]
    colors = keypoint_colors(skeleton)
    goals = keypoints[person, ends[edge], :2]
    return draw_vectors(image, origins, origins + vectors, [colors[end] for end in ends[edge]], goals)


def draw_taught_mid_offsets(
    image: np.ndarray, targets: PersonLabTargets, keypoints: np.ndarray, skeleton: Skeleton, stride: int
) -> tuple[np.ndarray, str]:
    """Draw the mid-range offsets that are taught at the keypoints of people."""
    picture = draw_mid_offsets(image, targets.as_maps(), keypoints, skeleton, stride)
    taught = to_array(targets.mid_weights[0]).any(axis=(1, 2)).sum()
    return picture, f"edges {taught} of {len(edges(skeleton))}"


def _draw_fans(
    image: np.ndarray, inside: np.ndarray, offsets: np.ndarray, skeleton: Skeleton, stride: int
) -> np.ndarray:
    """Draw the ``(2K, h, w)`` offsets of every third cell of every third row ``inside`` ``(K, h, w)``."""
    kind, rows, columns = np.nonzero(inside[:, ::_EVERY, ::_EVERY])
    rows, columns = _EVERY * rows, _EVERY * columns
    starts = cells_to_image(np.stack([columns, rows], axis=1).astype(np.float64), stride)
    tips = starts + offsets.reshape(-1, 2, *offsets.shape[1:])[kind, :, rows, columns]
    colors = keypoint_colors(skeleton)
    return draw_vectors(image, starts, tips, [colors[int(one)] for one in kind], fine=True)


VIEWS = {
    "heatmaps": HEATMAPS,
    "short_offsets": View(draw_short_offsets, draw_taught_short_offsets),
    "mid_offsets": View(draw_mid_offsets, draw_taught_mid_offsets),
}
