"""Addition of missing keypoints at cells with the person's tag (HigherHRNet calls this refinement)."""

from __future__ import annotations

import numpy as np


def mean_tags(people: np.ndarray, tags: np.ndarray) -> np.ndarray:
    """Return the ``(N, T)`` mean tags of people.

    Args:
        people: ``(N, K)`` ranks of each person's candidates, -1 = none; each person has at least one.
        tags: ``(K, n, T)`` tags of the candidates.
    """
    found = people >= 0
    own = tags[np.arange(people.shape[1]), people]  # (N, K, T); missing keypoints are masked below
    return np.asarray((own * found[..., None]).sum(axis=1) / found.sum(axis=1)[:, None])


def find_missing(
    people: np.ndarray,
    means: np.ndarray,
    heatmaps: np.ndarray,
    tags: np.ndarray,
    *,
    tag_threshold: float,
    high: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the best cell for each missing keypoint.

    It is the cell with the highest ``response - round(d)``, where d is the distance from its tag to the person's mean
    tag, among the cells with a positive response and d below the threshold. The public program allows any distance, so
    that people get keypoints of others.

    Args:
        people: ``(N, K)`` ranks of each person's candidates, -1 = none.
        means: ``(N, T)`` mean tags of the people.
        heatmaps: ``(K, h, w)`` finite responses.
        tags: ``(K, T, h, w)`` finite tags.
        tag_threshold: Tags at this distance or further belong to other people.
        high: Cells with at least this response are searched first, and the rest only if none of these is good enough.
            The result does not depend on the value.

    Returns:
        ``(M,)`` person, ``(M,)`` type and ``(M,)`` cell ``y w + x`` of the keypoints that have such a cell.
    """
    found: list[tuple[int, int, int]] = []
    flat = tags.reshape(*tags.shape[:2], -1)
    for kind in range(people.shape[1]):
        missing = np.flatnonzero(people[:, kind] < 0)
        responses = heatmaps[kind].ravel()
        for least in (high, 0.0):
            if not len(missing):
                break
            cells = np.flatnonzero(responses >= least if least else responses > 0)
            place, score = _best(responses[cells], flat[kind][:, cells], means[missing], tag_threshold)
            # The other cells have responses below ``least``, and a score is at most the response.
            done = score >= least if least else score > -np.inf
            found += zip(missing[done].tolist(), [kind] * int(done.sum()), cells[place[done]].tolist(), strict=True)
            missing = missing[~done]
    person, kinds, cell = np.array(found, dtype=np.intp).reshape(-1, 3).T
    return person, kinds, cell


def _best(
    responses: np.ndarray, tags: np.ndarray, means: np.ndarray, tag_threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the best of C cells for each of N people and its score, minus infinity if no tag is near enough.

    Args:
        responses: ``(C,)``.
        tags: ``(T, C)``.
        means: ``(N, T)``.
        tag_threshold: As for ``find_missing``.
    """
    place, best = np.zeros(len(means), dtype=np.intp), np.full(len(means), -np.inf)
    if len(responses):
        for person, mean in enumerate(means):
            distance = np.abs(tags[0] - mean[0]) if len(tags) == 1 else np.linalg.norm(tags - mean[:, None], axis=0)
            score = np.where(distance < tag_threshold, responses - np.round(distance), -np.inf)
            place[person] = score.argmax()
            best[person] = score[place[person]]
    return place, best
