"""Pictures of CenterNet's maps: heatmaps, centers, and offsets from centers."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from gog_pose.drawing import draw_heatmaps, draw_vectors, keypoint_colors
from gog_pose.drawing.colors import Color
from gog_pose.geometry import cells_to_image
from gog_pose.methods.centernet.records import CenterMaps, CenterTargets
from gog_pose.methods.method import View
from gog_pose.methods.views import HEATMAPS, to_array
from gog_pose.skeleton import Skeleton

_CENTER: Color = (255, 255, 255)
_LEAST = 0.25  # lowest response of a center whose offsets are drawn


def draw_centers(
    image: np.ndarray, maps: CenterMaps, keypoints: np.ndarray, skeleton: Skeleton, stride: int
) -> np.ndarray:
    """Draw the responses of centers; the people are not used."""
    return draw_heatmaps(image, to_array(maps.centers[0]), [_CENTER])


def draw_offsets(
    image: np.ndarray, maps: CenterMaps, keypoints: np.ndarray, skeleton: Skeleton, stride: int
) -> np.ndarray:
    """Draw the offsets at the peaks of centers; the people are not used."""
    centers = maps.centers[0, 0].float()
    peaks = (F.max_pool2d(centers[None, None], 3, stride=1, padding=1)[0, 0] == centers) & (centers >= _LEAST)
    rows, columns = np.nonzero(to_array(peaks))
    person, kind = (index.ravel() for index in np.indices((len(rows), skeleton.num_keypoints)))
    return _draw(image, maps.offsets, rows[person], columns[person], kind, skeleton, stride)


def draw_taught_centers(
    image: np.ndarray, targets: CenterTargets, keypoints: np.ndarray, skeleton: Skeleton, stride: int
) -> tuple[np.ndarray, str]:
    """Draw the target responses of centers."""
    picture = draw_heatmaps(image, to_array(targets.centers[0]), [_CENTER])
    return picture, f"centers {np.count_nonzero(to_array(targets.centers) == 1)}"


def draw_taught_offsets(
    image: np.ndarray, targets: CenterTargets, keypoints: np.ndarray, skeleton: Skeleton, stride: int
) -> tuple[np.ndarray, str]:
    """Draw the target offsets from the cells of centers."""
    kind, rows, columns = np.nonzero(to_array(targets.offset_weights[0]) > 0)
    return _draw(image, targets.offsets, rows, columns, kind, skeleton, stride), f"offsets {len(kind)}"


def _draw(
    image: np.ndarray,
    offsets: torch.Tensor,
    rows: np.ndarray,
    columns: np.ndarray,
    kind: np.ndarray,
    skeleton: Skeleton,
    stride: int,
) -> np.ndarray:
    """Draw the offsets to keypoints of the given types at the given cells."""
    starts = cells_to_image(np.stack([columns, rows], axis=1).astype(np.float64), stride)
    maps = to_array(offsets[0])
    tips = starts + maps.reshape(-1, 2, *maps.shape[1:])[kind, :, rows, columns]
    colors = keypoint_colors(skeleton)
    return draw_vectors(image, starts, tips, [colors[one] for one in kind])


VIEWS = {
    "heatmaps": HEATMAPS,
    "centers": View(draw_centers, draw_taught_centers),
    "offsets": View(draw_offsets, draw_taught_offsets),
}
