"""Pictures of the composite fields: responses, and the vectors of responding cells."""

from __future__ import annotations

import numpy as np
import torch

from gog_pose.methods.method import View
from gog_pose.methods.pifpaf.records import PifpafMaps, PifpafTargets
from gog_pose.methods.views import HEATMAPS, draw_fans, to_array
from gog_pose.skeleton import Skeleton

_LEAST = 0.3  # lowest response of the cells whose vectors are drawn


def draw_vectors_to_keypoints(
    image: np.ndarray, maps: PifpafMaps, keypoints: np.ndarray, skeleton: Skeleton, stride: int
) -> np.ndarray:
    """Draw a line from each responding cell to its predicted keypoint; the people are not used."""
    return _drawn(image, maps.heatmaps, maps.vectors, range(skeleton.num_keypoints), skeleton)


def draw_vectors_to_ends(
    image: np.ndarray, maps: PifpafMaps, keypoints: np.ndarray, skeleton: Skeleton, stride: int
) -> np.ndarray:
    """Draw lines from each responding cell of a limb to its two predicted ends; the people are not used."""
    ends = [limb[end] for end in (0, 1) for limb in skeleton.limbs]
    return _drawn(image, maps.limb_heatmaps.repeat(1, 2, 1, 1), maps.limb_vectors, ends, skeleton)


def draw_taught_vectors(
    image: np.ndarray, targets: PifpafTargets, keypoints: np.ndarray, skeleton: Skeleton, stride: int
) -> tuple[np.ndarray, str]:
    """Draw the target vectors to keypoints."""
    picture = draw_vectors_to_keypoints(image, targets.as_maps(), keypoints, skeleton, stride)
    return picture, f"keypoints {np.count_nonzero(keypoints[..., 2] > 0)}"


def draw_taught_ends(
    image: np.ndarray, targets: PifpafTargets, keypoints: np.ndarray, skeleton: Skeleton, stride: int
) -> tuple[np.ndarray, str]:
    """Draw the target vectors to the ends of limbs."""
    picture = draw_vectors_to_ends(image, targets.as_maps(), keypoints, skeleton, stride)
    return picture, f"limbs {int(targets.limb_heatmaps[0].amax(dim=(1, 2)).sum())} of {skeleton.num_limbs}"


def _drawn(
    image: np.ndarray, responses: torch.Tensor, vectors: torch.Tensor, goals: range | list[int], skeleton: Skeleton
) -> np.ndarray:
    """Draw the vectors of responding cells, each in the color of the keypoint to which it leads."""
    heatmaps, maps = to_array(responses[0]), to_array(vectors[0])
    stride = image.shape[0] // heatmaps.shape[1]  # of the fields, which may be coarser than the features
    return draw_fans(image, maps, heatmaps > _LEAST, goals, skeleton, stride)


VIEWS = {
    "heatmaps": HEATMAPS,
    "keypoints": View(draw_vectors_to_keypoints, draw_taught_vectors),
    "limbs": View(draw_vectors_to_ends, draw_taught_ends),
}
