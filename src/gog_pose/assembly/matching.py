"""Matching: keypoint candidates join people one type after the other, by their tags."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse.csgraph import shortest_path

from gog_pose.skeleton import Skeleton

COSTS = ("tie_broken", "public", "distance")
_STEP = 100.0  # of the public cost per unit of distance; far above any response
_TIE = 0.01  # of the cost per unit of distance that decides between equal public costs

# The order of HigherHRNet's program for COCO's keypoints: the face, the trunk, then outwards along arms and legs.
_COCO_ORDER = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_hip",
    "right_hip", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_knee", "right_knee", "left_ankle",
    "right_ankle",
)  # fmt: skip


def type_order(skeleton: Skeleton) -> tuple[int, ...]:
    """Return the order in which keypoint types are matched: that of the public program for COCO's, else derived.

    The derived order begins at the type from which the limbs reach all others in the fewest steps, followed by
    those one step away, two steps away, and so on; types that no limb connects come last.
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

    The candidates of the first type start a person each. Those of each further type are assigned to the people so far,
    so that the sum of the costs is smallest; an assigned candidate whose tag is too far from the mean tag of its
    person's keypoints starts a new one, as do those that are left over.

    Args:
        tags: ``(K, n, T)`` finite tags of the candidates.
        responses: ``(K, n)`` their responses; 0 = no candidate.
        order: The types, in the order in which they are matched.
        threshold: Tags at this distance (Euclidean) or further are those of different people.
        cost: With ``d`` the distance of a candidate's tag to a person's mean tag: ``public`` is
            ``100 round(d) - response``, nearly blind below the threshold; ``tie_broken`` adds ``0.01 d``, which decides
            where the public cost does not; ``distance`` is ``d``.
        max_people: Candidates are only assigned to the first so many people; None = to all.
        unique: As in the public program, a person whose first tag (its first component) equals that of an earlier one
            takes that person's place: their keypoints become one person's, whose mean tag begins anew.

    Returns:
        ``(N, K)`` people: of each type the rank of the candidate they have, -1 = none.
    """
    people: list[np.ndarray] = []
    sums: list[np.ndarray] = []
    counts: list[int] = []
    numbers: dict[float, int] = {}  # of people, by their first tag
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
    """Return the cost of each candidate ``(n, P)`` for each person; responses are ``(n, 1)``."""
    if cost == "distance":
        return distances
    public = _STEP * np.round(distances) - responses
    return np.asarray(public if cost == "public" else public + _TIE * distances)
