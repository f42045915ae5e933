"""Matching: assignment of keypoint candidates to people by their tags, one keypoint type after the other."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse.csgraph import shortest_path

from gog_pose.skeleton import Skeleton

COSTS = ("tie_broken", "public", "distance")
_STEP = 100.0  # public cost per unit of distance; far above any response
_TIE = 0.01  # additional cost per unit of distance, which decides between equal public costs

# The order of HigherHRNet's program for COCO's keypoints: the face, the torso, then outwards along arms and legs.
_COCO_ORDER = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_hip",
    "right_hip", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_knee", "right_knee", "left_ankle",
    "right_ankle",
)  # fmt: skip


def type_order(skeleton: Skeleton) -> tuple[int, ...]:
    """Return the order in which keypoint types are matched: the public program's for COCO, otherwise a derived one.

    The derived order begins at the type from which the limbs reach all other types in the fewest steps. The types one
    step away follow, then those two steps away, and so on; types that no limb connects come last.
    """
    names, count = list(skeleton.keypoints), skeleton.num_keypoints
    if set(names) == set(_COCO_ORDER):
        return tuple(names.index(name) for name in _COCO_ORDER)
    adjacent = np.zeros((count, count))
    for start, end in skeleton.limbs:
        adjacent[start, end] = 1
    steps = shortest_path(adjacent, directed=False, unweighted=True)
    reached = np.isfinite(steps)
    farthest = np.where(reached, steps, 0).max(axis=1)
    center = np.lexsort((farthest, -reached.sum(axis=1)))[0]
    return tuple(np.argsort(steps[center], kind="stable").tolist())


def match_tags(
    tags: np.ndarray,
    responses: np.ndarray,
    order: tuple[int, ...],
    *,
    threshold: float,
    cost: str = "tie_broken",
    max_people: int | None = None,
    unique: bool = False,
) -> np.ndarray:
    """Group the candidates of one image into people.

    Each candidate of the first type starts a person. The candidates of each further type are assigned to the existing
    people with the smallest sum of costs. A candidate starts a new person if it is not assigned, or if its tag is too
    far from the mean tag of its assigned person's keypoints.

    Args:
        tags: ``(K, n, T)`` finite tags of the candidates.
        responses: ``(K, n)`` their responses; 0 = no candidate.
        order: Keypoint types in the order of matching.
        threshold: Tags at this Euclidean distance or further belong to different people.
        cost: Cost of an assignment, with ``d`` the distance from a candidate's tag to a person's mean tag. ``public``:
            ``100 round(d) - response``, which hardly depends on d below the threshold. ``tie_broken``: the same plus
            ``0.01 d``, which resolves ties. ``distance``: ``d``.
        max_people: Candidates are assigned only to this number of people, the first ones; None = to all.
        unique: As in the public program, a new person whose first tag (its first component) equals that of an earlier
            person is merged into that person, whose mean tag restarts with the new tag.

    Returns:
        ``(N, K)`` people: for each type the rank of the person's candidate, -1 = none.
    """
    people: list[np.ndarray] = []
    sums: list[np.ndarray] = []
    counts: list[int] = []
    numbers: dict[float, int] = {}  # indices of people by their first tag
    for kind in order:
        ranks = np.flatnonzero(responses[kind] > 0)
        candidates = tags[kind, ranks]
        owners = np.full(len(ranks), -1)
        if len(ranks) and people:
            means = np.array(sums[:max_people]) / np.array(counts[:max_people])[:, None]
            distances = np.linalg.norm(candidates[:, None] - means, axis=2)
            rows, columns = linear_sum_assignment(_costs(distances, responses[kind, ranks, None], cost))
            near = distances[rows, columns] < threshold
            owners[rows[near]] = columns[near]
        for rank, tag, owner in zip(ranks, candidates, owners.tolist(), strict=True):
            if owner >= 0:
                sums[owner] = sums[owner] + tag
                counts[owner] += 1
            else:
                owner = numbers.get(float(tag[0]), len(people)) if unique else len(people)
                numbers[float(tag[0])] = owner
                if owner == len(people):
                    people.append(np.full(len(responses), -1))
                    sums.append(tag)
                    counts.append(1)
                else:
                    sums[owner], counts[owner] = tag, 1
            people[owner][kind] = rank
    return np.array(people, dtype=np.intp).reshape(-1, len(responses))


def _costs(distances: np.ndarray, responses: np.ndarray, cost: str) -> np.ndarray:
    """Return the ``(n, P)`` costs of assigning each candidate to each person; responses are ``(n, 1)``."""
    if cost == "distance":
        return distances
    public = _STEP * np.round(distances) - responses
    return np.asarray(public if cost == "public" else public + _TIE * distances)
