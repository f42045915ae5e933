"""Random people, for benchmarks without a data set."""

from __future__ import annotations

import numpy as np

from gog_pose.methods.people import People

_LEAST_PERSON, _LARGEST_PERSON = 0.1, 0.6  # height, as a fraction of the image's side


def random_people(people: int, size: int, num_keypoints: int, random: np.random.Generator) -> People:
    """Sample people with random keypoints inside their boxes, which are half as wide as high.

    Args:
        people: Number of people.
        size: Side of the square image, px.
        num_keypoints: Number of keypoints per person, all visible.
        random: Random number generator.

    Returns:
        The people, with keypoints rounded to whole px.
    """
    heights = size * random.uniform(_LEAST_PERSON, _LARGEST_PERSON, people)
    boxes = np.stack([heights / 2, heights], axis=1)
    corners = random.random((people, 2)) * (size - boxes)
    keypoints = np.full((people, num_keypoints, 3), 2, dtype=np.float32)
    keypoints[..., :2] = np.round(corners[:, None] + boxes[:, None] * random.random((*keypoints.shape[:2], 2)))
    scales = np.sqrt(boxes.prod(axis=1)).astype(np.float32)
    return People(keypoints, scales, np.concatenate([corners, boxes], axis=1).astype(np.float32))
