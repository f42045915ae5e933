"""Pictures of the paper's maps: heatmaps and guiding offsets."""

from __future__ import annotations

import numpy as np

from gog_pose.methods.gog.records import PoseMaps, PoseTargets
from gog_pose.methods.method import View
from gog_pose.methods.views import HEATMAPS, draw_fans, draw_vectors_at_keypoints, to_array
from gog_pose.skeleton import Skeleton


def draw_offsets(
    image: np.ndarray, maps: PoseMaps, keypoints: np.ndarray, skeleton: Skeleton, stride: int
) -> np.ndarray:
    """Draw the guiding offsets at the keypoints of people.

    A line has the color of the keypoint that it should lead to; a white line connects its end with that keypoint.
    Only limbs whose two keypoints are present are drawn.
    """
    return draw_vectors_at_keypoints(image, to_array(maps.offsets[0]), keypoints, skeleton.limbs, skeleton, stride)


def draw_taught_offsets(
    image: np.ndarray, targets: PoseTargets, keypoints: np.ndarray, skeleton: Skeleton, stride: int
) -> tuple[np.ndarray, str]:
    """Draw the target guiding offsets of every second cell of every second row.

    The lines of a limb's support form a fan that converges at a keypoint and has the color of its type.
    """
    offsets, weights = to_array(targets.offsets[0]), to_array(targets.offset_weights[0])
    ends = [end for _, end in skeleton.limbs]
    picture = draw_fans(image, offsets, weights > 0, ends, skeleton, stride, every=2)
    return picture, f"limbs {weights.any(axis=(1, 2)).sum()} of {skeleton.num_limbs}"


VIEWS = {
    "heatmaps": HEATMAPS,
    "offsets": View(draw_offsets, draw_taught_offsets),
}
