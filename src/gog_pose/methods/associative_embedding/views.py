"""Pictures of the maps of Associative Embedding: heatmaps, and tags of cells with a response."""

from __future__ import annotations

import colorsys

import numpy as np
import torch

from gog_pose.drawing import draw_heatmaps, keypoint_colors
from gog_pose.drawing.colors import Color
from gog_pose.methods.associative_embedding.records import AssociativeMaps, AssociativeTargets
from gog_pose.methods.method import View
from gog_pose.skeleton import Skeleton

_BINS = 24  # number of hues
_LEAST = 0.1  # lowest response of the cells whose tags determine the range of the hues
_RANGE = (2, 98)  # percentiles of those tags


def draw_responses(
    image: np.ndarray, maps: AssociativeMaps, keypoints: np.ndarray, skeleton: Skeleton, stride: int
) -> np.ndarray:
    """Draw heatmaps, the fine ones if there are any; the people are not used."""
    heatmaps = maps.heatmaps if maps.fine_heatmaps is None else maps.fine_heatmaps
    return draw_heatmaps(image, _array(heatmaps[0]), keypoint_colors(skeleton))


def draw_tags(
    image: np.ndarray, maps: AssociativeMaps, keypoints: np.ndarray, skeleton: Skeleton, stride: int
) -> np.ndarray:
    """Draw the responses of all types, each cell in the hue of its tag, so that a person should have one hue.

    The hues range from red for the lowest tag to violet for the highest.
    """
    heatmaps = _array(maps.heatmaps[0])
    tags = _array(maps.tags[0])[: len(heatmaps)]  # without those of a mirror image
    seen = tags[heatmaps >= _LEAST]
    low, high = np.percentile(seen, _RANGE) if len(seen) else (0.0, 1.0)
    bins = ((tags - low) / max(high - low, 1e-6) * (_BINS - 1)).round().clip(0, _BINS - 1)
    binned = np.stack([(heatmaps * (bins == one)).max(axis=0) for one in range(_BINS)])
    return draw_heatmaps(image, binned, [_hue(one / (_BINS - 1)) for one in range(_BINS)])


def draw_taught_responses(
    image: np.ndarray, targets: AssociativeTargets, keypoints: np.ndarray, skeleton: Skeleton, stride: int
) -> tuple[np.ndarray, str]:
    """Draw the target heatmaps."""
    picture = draw_responses(image, targets.as_maps(), keypoints, skeleton, stride)
    return picture, f"keypoints {np.count_nonzero(keypoints[..., 2] > 0)}"


def draw_taught_tags(
    image: np.ndarray, targets: AssociativeTargets, keypoints: np.ndarray, skeleton: Skeleton, stride: int
) -> tuple[np.ndarray, str]:
    """Draw the target responses in the hues of the ideal tags."""
    return draw_tags(image, targets.as_maps(), keypoints, skeleton, stride), f"people {len(targets.people[0])}"


def _hue(part: float) -> Color:
    red, green, blue = colorsys.hsv_to_rgb(0.8 * part, 0.8, 1.0)
    return (round(255 * red), round(255 * green), round(255 * blue))


def _array(tensor: torch.Tensor) -> np.ndarray:
    return np.asarray(tensor.detach().float().cpu())


VIEWS = {
    "heatmaps": View(draw_responses, draw_taught_responses),
    "tags": View(draw_tags, draw_taught_tags),
}
