"""Upper bound of a limb graph: people whose labeled keypoints are not connected by limbs cannot be detected whole."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gog_pose.poses import Poses
from gog_pose.skeleton import Skeleton


def connected_components(labelled: np.ndarray, limbs: Sequence[Sequence[int]]) -> list[list[int]]:
    """Split the labeled keypoints of a person into connected components of the limb graph.

    Args:
        labelled: ``(K,)`` bool.
        limbs: Pairs of keypoint indices; a limb connects its ends if both are labeled.

    Returns:
        Ascending lists of keypoint indices, ordered by their first index.
    """
    component = {int(index): [int(index)] for index in np.flatnonzero(labelled)}
    for start, end in limbs:
        if start in component and end in component and component[start] is not component[end]:
            joined = component[start] + component[end]
            for index in joined:
                component[index] = joined
    unique = {id(indices): sorted(indices) for indices in component.values()}
    return sorted(unique.values())


def best_possible_poses(keypoints: np.ndarray, skeleton: Skeleton, *, min_keypoints: int) -> Poses:
    """Return the detections with perfect peaks and grouping: one per connected component.

    Args:
        keypoints: ``(P, K, 3)`` labeled people: x, y and COCO's visibility.
        skeleton: The limb graph.
        min_keypoints: Components with fewer keypoints are left out: 2 drops single keypoints, 1 keeps them.

    Returns:
        The detections, in the coordinates of ``keypoints``, with the decoder's score for responses of 1: number of
        keypoints / K.
    """
    people = []
    for person in keypoints:
        for component in connected_components(person[:, 2] > 0, skeleton.limbs):
            if len(component) >= min_keypoints:
                detection = np.zeros((skeleton.num_keypoints, 3), dtype=np.float32)
                detection[component, :2] = person[component, :2]
                detection[component, 2] = 1
                people.append(detection)
    detections = np.array(people, dtype=np.float32).reshape(-1, skeleton.num_keypoints, 3)
    scores = detections[..., 2].mean(axis=1)
    order = np.argsort(-scores, kind="stable")
    return Poses(detections[order], scores[order])
