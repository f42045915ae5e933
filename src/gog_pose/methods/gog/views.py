"""Pictures of the paper's maps: heatmaps, and where guiding offsets lead."""

from __future__ import annotations

import numpy as np

from gog_pose.methods.gog.records import PoseMaps, PoseTargets
from gog_pose.methods.method import View
from gog_pose.methods.views import HEATMAPS, draw_fans, draw_vectors_at_keypoints, to_array
from gog_pose.skeleton import Skeleton


def draw_offsets(
    image: np.ndarray, maps: PoseMaps, keypoints: np.ndarray, skeleton: Skeleton, stride: int
) -> np.ndarray:
    """Draw where the guiding offsets at the keypoints of people lead.

    A line has the color of the keypoint that it should lead to; a white line leads from there to the keypoint.
    Limbs with two found ends are drawn.
    """
    return draw_vectors_at_keypoints(image, to_array(maps.offsets[0]), keypoints, skeleton.limbs, skeleton, stride)


def draw_taught_offsets(
    image: np.ndarray, targets: PoseTargets, keypoints: np.ndarray, skeleton: Skeleton, stride: int
) -> tuple[np.ndarray, str]:
    """Draw the guiding offsets that are taught, from every second cell of every second row that carries one.

    The lines of a limb's support are a fan that closes in one dot, in the color of the keypoint that is there.
    """
    offsets, weights = to_array(targets.offsets[0]), to_array(targets.offset_weights[0])
    ends = [end for _, end in skeleton.limbs]
    picture = draw_fans(image, offsets, weights > 0, ends, skeleton, stride, every=2)
    return picture, f"limbs {weights.any(axis=(1, 2)).sum()} of {skeleton.num_limbs}"


VIEWS = {
    "heatmaps": HEATMAPS,
    "offsets": View(draw_offsets, draw_taught_offsets),
}
