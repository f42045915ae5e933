"""Pictures of the maps."""

from __future__ import annotations

import numpy as np
from gog_pose.methods.minimal.records import MinimalMaps, MinimalTargets

from gog_pose.drawing import draw_heatmaps
from gog_pose.methods.method import View
from gog_pose.skeleton import Skeleton


def draw_means(
    image: np.ndarray, maps: MinimalMaps, keypoints: np.ndarray, skeleton: Skeleton, stride: int
) -> np.ndarray:
    """Draw the responses of means."""
    return draw_heatmaps(image, np.asarray(maps.means[0].detach().float().cpu()), [(255, 255, 255)])


def draw_taught_means(
    image: np.ndarray, targets: MinimalTargets, keypoints: np.ndarray, skeleton: Skeleton, stride: int
) -> tuple[np.ndarray, str]:
    """Draw the target responses of means."""
    return draw_means(image, targets.as_maps(), keypoints, skeleton, stride), f"people {len(targets.people[0])}"


VIEWS = {"means": View(draw_means, draw_taught_means)}
