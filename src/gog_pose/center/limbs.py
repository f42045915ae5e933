"""CenterNet's maps seen as heatmaps and guiding offsets: limbs from the centre of a person to each keypoint."""

from __future__ import annotations

import numpy as np
import torch

from gog_pose.center.records import CenterMaps
from gog_pose.records import People, PoseMaps
from gog_pose.skeleton import Skeleton


def star(skeleton: Skeleton) -> Skeleton:
    """Return a skeleton with one keypoint more, the centre, from which a limb leads to each of the others."""
    center = skeleton.num_keypoints
    return Skeleton(
        name=f"{skeleton.name}_star",
        keypoints=(*skeleton.keypoints, "centre"),
        limbs=tuple((center, keypoint) for keypoint in range(center)),
        flip_pairs=skeleton.flip_pairs,
        oks_sigmas=(*skeleton.oks_sigmas, max(skeleton.oks_sigmas)),
    )


def with_centers(people: People) -> np.ndarray:
    """Return ``(P, K + 1, 3)`` keypoints, the last the centre of each box, labelled."""
    centers = np.concatenate(
        [people.boxes[:, :2] + people.boxes[:, 2:] / 2, np.full((len(people.boxes), 1), 2)], axis=1
    )
    return np.concatenate([people.keypoints, centers[:, None]], axis=1).astype(np.float32)


def to_limbs(maps: CenterMaps) -> PoseMaps:
    """Return the maps that the star skeleton has."""
    return PoseMaps(torch.cat([maps.heatmaps, maps.centers], dim=1), maps.offsets)


def from_limbs(changed: PoseMaps, maps: CenterMaps) -> CenterMaps:
    """Return maps with what ``to_limbs`` gave, changed meanwhile."""
    return maps._replace(heatmaps=changed.heatmaps[:, :-1], centers=changed.heatmaps[:, -1:], offsets=changed.offsets)
