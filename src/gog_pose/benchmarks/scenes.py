"""Random people, for input that no data set is needed for."""

from __future__ import annotations

import numpy as np

from gog_pose.methods.people import People

_LEAST_PERSON, _LARGEST_PERSON = 0.1, 0.6  # height, as part of the image's side


def random_people(people: int, size: int, num_keypoints: int, random: np.random.Generator) -> People:
    """Draw people whose keypoints lie anywhere in a box of theirs, half as wide as high.

    Args:
        people: How many.
        size: Side of the square image, px.
        num_keypoints: Of each, all visible.
        random: Decides.

    Returns:
        The people, their keypoints at whole px.
    """
    heights = size * random.uniform(_LEAST_PERSON, _LARGEST_PERSON, people)
    boxes = np.stack([heights / 2, heights], axis=1)
    corners = random.random((people, 2)) * (size - boxes)
    keypoints = np.full((people, num_keypoints, 3), 2, dtype=np.float32)
    keypoints[..., :2] = np.round(corners[:, None] + boxes[:, None] * random.random((*keypoints.shape[:2], 2)))
    scales = np.sqrt(boxes.prod(axis=1)).astype(np.float32)
    return People(keypoints, scales, np.concatenate([corners, boxes], axis=1).astype(np.float32))
