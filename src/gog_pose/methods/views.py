"""Pictures of maps that many methods have: the responses of keypoints."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from gog_pose.drawing import draw_heatmaps, keypoint_colors
from gog_pose.methods.method import View
from gog_pose.skeleton import Skeleton


def to_array(tensor: torch.Tensor) -> np.ndarray:
    """Return a tensor of any device and precision as an array; numbers become float32."""
    tensor = tensor.detach().cpu()
    return np.asarray(tensor if tensor.dtype == torch.bool else tensor.float())


def draw_responses(image: np.ndarray, maps: Any, keypoints: np.ndarray, skeleton: Skeleton, stride: int) -> np.ndarray:
    """Draw the field ``heatmaps``; the people do not matter."""
    return draw_heatmaps(image, to_array(maps.heatmaps[0]), keypoint_colors(skeleton))


def draw_taught_responses(
    image: np.ndarray, targets: Any, keypoints: np.ndarray, skeleton: Skeleton, stride: int
) -> tuple[np.ndarray, str]:
    """Draw the ``heatmaps`` that are taught, which targets hold as maps do."""
    picture = draw_responses(image, targets, keypoints, skeleton, stride)
    return picture, f"keypoints {np.count_nonzero(keypoints[..., 2] > 0)}"


HEATMAPS = View(draw_responses, draw_taught_responses)
