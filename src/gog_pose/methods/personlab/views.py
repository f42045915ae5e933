"""Pictures of PersonLab's maps: disks, short-range and mid-range offsets."""

from __future__ import annotations

import numpy as np

from gog_pose.methods.method import View
from gog_pose.methods.personlab.records import PersonLabMaps, PersonLabTargets, edges
from gog_pose.methods.views import HEATMAPS, draw_fans, draw_vectors_at_keypoints, to_array
from gog_pose.skeleton import Skeleton

_LEAST = 0.5  # lowest probability of the cells whose short-range offsets are drawn
_EVERY = 3  # step between drawn rows and columns of cells, so that lines remain distinguishable


def draw_short_offsets(
    image: np.ndarray, maps: PersonLabMaps, keypoints: np.ndarray, skeleton: Skeleton, stride: int
) -> np.ndarray:
    """Draw the short-range offsets of cells in disks, in the color of the keypoint that they should lead to."""
    inside, offsets = to_array(maps.heatmaps[0]) > _LEAST, to_array(maps.short_offsets[0])
    return draw_fans(image, offsets, inside, range(skeleton.num_keypoints), skeleton, stride, every=_EVERY)


def draw_taught_short_offsets(
    image: np.ndarray, targets: PersonLabTargets, keypoints: np.ndarray, skeleton: Skeleton, stride: int
) -> tuple[np.ndarray, str]:
    """Draw the target short-range offsets; those of a disk form a fan that converges at the keypoint."""
    picture = draw_short_offsets(image, targets.as_maps(), keypoints, skeleton, stride)
    return picture, f"disks of {to_array(targets.heatmaps[0]).any(axis=(1, 2)).sum()} keypoint types"


def draw_mid_offsets(
    image: np.ndarray, maps: PersonLabMaps, keypoints: np.ndarray, skeleton: Skeleton, stride: int
) -> np.ndarray:
    """Draw the mid-range offsets at the keypoints of people, before they are refined.

    A line has the color of the keypoint that it should lead to; a white line connects its end with that keypoint.
    Only edges whose two keypoints are present are drawn.
    """
    offsets = to_array(maps.mid_offsets[0])
    return draw_vectors_at_keypoints(image, offsets, keypoints, edges(skeleton), skeleton, stride)


def draw_taught_mid_offsets(
    image: np.ndarray, targets: PersonLabTargets, keypoints: np.ndarray, skeleton: Skeleton, stride: int
) -> tuple[np.ndarray, str]:
    """Draw the target mid-range offsets at the keypoints of people."""
    picture = draw_mid_offsets(image, targets.as_maps(), keypoints, skeleton, stride)
    taught = to_array(targets.mid_weights[0]).any(axis=(1, 2)).sum()
    return picture, f"edges {taught} of {len(edges(skeleton))}"


VIEWS = {
    "heatmaps": HEATMAPS,
    "short_offsets": View(draw_short_offsets, draw_taught_short_offsets),
    "mid_offsets": View(draw_mid_offsets, draw_taught_mid_offsets),
}
