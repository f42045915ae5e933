"""Pictures of Simple Pose's heatmaps and limb maps."""

from __future__ import annotations

import numpy as np

from gog_pose.drawing import draw_heatmaps, keypoint_colors
from gog_pose.methods.method import View
from gog_pose.methods.simple_pose.body import body_of
from gog_pose.methods.simple_pose.records import SimplePoseMaps, SimplePoseTargets
from gog_pose.methods.views import to_array
from gog_pose.skeleton import Skeleton


def draw_responses(
    image: np.ndarray, maps: SimplePoseMaps, keypoints: np.ndarray, skeleton: Skeleton, stride: int
) -> np.ndarray:
    """Draw the heatmaps, including that of the neck; the people are not used."""
    return draw_heatmaps(image, to_array(maps.heatmaps[0]), keypoint_colors(_body(maps, skeleton)))


def draw_limbs(
    image: np.ndarray, maps: SimplePoseMaps, keypoints: np.ndarray, skeleton: Skeleton, stride: int
) -> np.ndarray:
    """Draw the limb maps, each in the mean color of its two ends; the people are not used."""
    body = _body(maps, skeleton)
    colors = np.array(keypoint_colors(body))[np.array(body.limbs)].mean(axis=1)  # (L, 3)
    return draw_heatmaps(image, to_array(maps.limbs[0]), [(int(r), int(g), int(b)) for r, g, b in colors])


def draw_taught_responses(
    image: np.ndarray, targets: SimplePoseTargets, keypoints: np.ndarray, skeleton: Skeleton, stride: int
) -> tuple[np.ndarray, str]:
    """Draw the target heatmaps."""
    picture = draw_responses(image, targets.as_maps(), keypoints, skeleton, stride)
    return picture, f"keypoints {np.count_nonzero(keypoints[..., 2] > 0)}"


def draw_taught_limbs(
    image: np.ndarray, targets: SimplePoseTargets, keypoints: np.ndarray, skeleton: Skeleton, stride: int
) -> tuple[np.ndarray, str]:
    """Draw the target limb maps."""
    picture = draw_limbs(image, targets.as_maps(), keypoints, skeleton, stride)
    limbs = to_array(targets.limbs[0])
    return picture, f"limbs {np.count_nonzero(limbs.any(axis=(1, 2)))} of {len(limbs)}"


def _body(maps: SimplePoseMaps, skeleton: Skeleton) -> Skeleton:
    """Return the body of maps; with a neck there is one heatmap more than keypoints of the skeleton."""
    return body_of(skeleton, "neck" if maps.heatmaps.shape[1] > skeleton.num_keypoints else "skeleton")


VIEWS = {
    "heatmaps": View(draw_responses, draw_taught_responses),
    "limbs": View(draw_limbs, draw_taught_limbs),
}
