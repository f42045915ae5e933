"""Pictures of maps that several methods have: responses of keypoints, and vectors from one point to another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from gog_pose.drawing import draw_heatmaps, draw_vectors, keypoint_colors
from gog_pose.geometry import cells_to_image
from gog_pose.maps.windows import nearest_cells
from gog_pose.methods.method import View
from gog_pose.skeleton import Skeleton


def to_array(tensor: torch.Tensor) -> np.ndarray:
    """Convert a tensor of any device and precision to an array; numbers become float32."""
    tensor = tensor.detach().cpu()
    return np.asarray(tensor if tensor.dtype == torch.bool else tensor.float())


def draw_responses(image: np.ndarray, maps: Any, keypoints: np.ndarray, skeleton: Skeleton, stride: int) -> np.ndarray:
    """Draw the field ``heatmaps``; the people are not used."""
    return draw_heatmaps(image, to_array(maps.heatmaps[0]), keypoint_colors(skeleton))


def draw_taught_responses(
    image: np.ndarray, targets: Any, keypoints: np.ndarray, skeleton: Skeleton, stride: int
) -> tuple[np.ndarray, str]:
    """Draw the target ``heatmaps``."""
    picture = draw_responses(image, targets, keypoints, skeleton, stride)
    return picture, f"keypoints {np.count_nonzero(keypoints[..., 2] > 0)}"


def draw_vectors_at_keypoints(
    image: np.ndarray,
    offsets: np.ndarray,
    keypoints: np.ndarray,
    pairs: Sequence[Sequence[int]],
    skeleton: Skeleton,
    stride: int,
) -> np.ndarray:
    """Draw the offsets at the keypoints of people.

    A line has the color of the keypoint that it should lead to; a white line connects its end with that keypoint.
    Only pairs whose two keypoints are present are drawn.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        offsets: ``(2L, h, w)`` px of the input image.
        keypoints: ``(P, K, 3)`` px of the input image.
        pairs: L pairs of keypoint types: where the offset starts and where it leads.
        skeleton: Determines the colors.
        stride: Px per cell.
    """
    last = np.array(offsets.shape[:0:-1]) - 1
    starts, ends = np.array(pairs, dtype=np.intp).reshape(-1, 2).T
    person, pair = np.nonzero((keypoints[:, starts, 2] > 0) & (keypoints[:, ends, 2] > 0))
    cells = nearest_cells(keypoints[person, starts[pair], :2], stride).clip(0, last).astype(int)
    origins = cells_to_image(cells.astype(np.float64), stride)
    vectors = offsets.reshape(-1, 2, *offsets.shape[1:])[pair, :, cells[:, 1], cells[:, 0]]
    colors = keypoint_colors(skeleton)
    goals = keypoints[person, ends[pair], :2]
    return draw_vectors(image, origins, origins + vectors, [colors[end] for end in ends[pair]], goals)


def draw_fans(
    image: np.ndarray,
    offsets: np.ndarray,
    inside: np.ndarray,
    ends: Sequence[int],
    skeleton: Skeleton,
    stride: int,
    *,
    every: int = 1,
) -> np.ndarray:
    """Draw the offsets of cells, each in the color of the keypoint type to which it leads.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        offsets: ``(2C, h, w)`` px of the input image.
        inside: ``(C, h, w)`` bool, True for cells whose offsets are drawn.
        ends: C keypoint types.
        skeleton: Determines the colors.
        stride: Px per cell.
        every: Step between drawn rows and columns, so that lines remain distinguishable.
    """
    item, rows, columns = np.nonzero(inside[:, ::every, ::every])
    rows, columns = every * rows, every * columns
    starts = cells_to_image(np.stack([columns, rows], axis=1).astype(np.float64), stride)
    tips = starts + offsets.reshape(-1, 2, *offsets.shape[1:])[item, :, rows, columns]
    colors = keypoint_colors(skeleton)
    return draw_vectors(image, starts, tips, [colors[ends[one]] for one in item.tolist()], fine=True)


HEATMAPS = View(draw_responses, draw_taught_responses)
