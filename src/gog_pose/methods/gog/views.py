"""Pictures of the paper's maps: heatmaps, and where guiding offsets lead."""

from __future__ import annotations

import numpy as np

from gog_pose.drawing import draw_vectors, keypoint_colors
from gog_pose.geometry import cells_to_image
from gog_pose.maps.windows import nearest_cells
from gog_pose.methods.gog.records import PoseMaps, PoseTargets
from gog_pose.methods.method import View
from gog_pose.methods.views import HEATMAPS, to_array
from gog_pose.skeleton import Skeleton


def draw_offsets(
    image: np.ndarray, maps: PoseMaps, keypoints: np.ndarray, skeleton: Skeleton, stride: int
) -> np.ndarray:
    """Draw where the guiding offsets at the keypoints of people lead.

    A line has the color of the keypoint that it should lead to; a white line goes on from there to the keypoint itself.
    Limbs with two found ends are drawn.
    """
    offsets = to_array(maps.offsets[0])
    last = np.array(offsets.shape[:0:-1]) - 1
    starts, ends = np.array(skeleton.limbs, dtype=np.intp).reshape(-1, 2).T
    person, limb = np.nonzero((keypoints[:, starts, 2] > 0) & (keypoints[:, ends, 2] > 0))
    cells = nearest_cells(keypoints[person, starts[limb], :2], stride).clip(0, last).astype(int)
    origins = cells_to_image(cells.astype(np.float64), stride)
    vectors = offsets.reshape(-1, 2, *offsets.shape[1:])[limb, :, cells[:, 1], cells[:, 0]]
    colors = keypoint_colors(skeleton)
    goals = keypoints[person, ends[limb], :2]
    return draw_vectors(image, origins, origins + vectors, [colors[end] for end in ends[limb]], goals)


def draw_taught_offsets(
    image: np.ndarray, targets: PoseTargets, keypoints: np.ndarray, skeleton: Skeleton, stride: int
) -> tuple[np.ndarray, str]:
    """Draw the guiding offsets that are taught, from every second cell of every second row that carries one.

    The lines of a limb's support are a fan that closes in one dot, in the color of the keypoint that is there.
    """
    offsets, weights = to_array(targets.offsets[0]), to_array(targets.offset_weights[0])
    limb, rows, columns = np.nonzero(weights[:, ::2, ::2] > 0)
    rows, columns = 2 * rows, 2 * columns
    starts = cells_to_image(np.stack([columns, rows], axis=1).astype(np.float64), stride)
    tips = starts + offsets.reshape(-1, 2, *offsets.shape[1:])[limb, :, rows, columns]
    colors = keypoint_colors(skeleton)
    picture = draw_vectors(image, starts, tips, [colors[skeleton.limbs[int(one)][1]] for one in limb], fine=True)
    return picture, f"limbs {weights.any(axis=(1, 2)).sum()} of {skeleton.num_limbs}"


VIEWS = {
    "heatmaps": HEATMAPS,
    "offsets": View(draw_offsets, draw_taught_offsets),
}
