"""What is wrong with a detected keypoint, and what it would be worth if it were right.

Definitions of M. R. Ronchi and P. Perona, *Benchmarking and Error Diagnosis in Multi-Instance Pose Estimation* (ICCV
2017), Sec. 3.1. They rest on the similarity of a detected keypoint and a labelled place, the term that COCO averages
into OKS: ``exp(-d^2 / (2 area (2 sigma)^2))``. A detected keypoint of a person is, at its own labelled place or not,

- *good* from a similarity of 0.85 on, within what human annotators differ by;
- *jitter* from 0.5 on: near its place;
- *inversion* below that, if it reaches 0.5 at the place of the other side of the same person;
- *swap* below that, if it reaches 0.5 at the place of the same keypoint, or that of the other side, of another person;
- *miss* otherwise: nowhere near, or not detected at all.

Of inversion and swap the more similar counts. The authors' program, coco-analyze, takes the most similar of all places
before it looks at the own one, so that a keypoint well in place is a swap where another person's is nearer still; here
the own place comes first.

A repaired keypoint is put where that kind of error would not have moved it, on the line to its labelled place: jitter
to a similarity of 0.85, a miss to 0.5, inversion and swap to the similarity that they have at the wrong place. (The
authors' program halves these distances.)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gog_pose.evaluation.oks import FOUND, WELL_PLACED
from gog_pose.skeleton import Skeleton

KINDS = ("good", "jitter", "inversion", "swap", "miss")
GOOD, JITTER, INVERSION, SWAP, MISS = range(len(KINDS))
UNLABELED = -1

_INSIDE = 1 - 1e-9  # a repaired keypoint shall reach its similarity in spite of rounding


class KeypointErrors(NamedTuple):
    """What the keypoints of one detection are.

    Attributes:
        kinds: ``(K,)`` index into ``KINDS``, ``UNLABELED`` where the person's keypoint is not labelled.
        repaired: ``(K, 2)`` px, where each keypoint is once its error is repaired; unchanged if it has none.
    """

    kinds: np.ndarray
    repaired: np.ndarray


def similarities(places: np.ndarray, people: np.ndarray, areas: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Return how similar detected keypoints and labelled ones of the same type are.

    Args:
        places: ``(D, K, 2)`` detected keypoints, px.
        people: ``(P, K, 3)`` labelled people, x, y (px) and COCO's visibility; or ``(D, P, K, 3)``, other places for
            each detection.
        areas: ``(P,)`` px^2.
        skeleton: Gives the OKS sigmas.

    Returns:
        ``(D, P, K)`` in [0, 1]; 0 where a keypoint is not labelled.
    """
    squared = np.square(places[:, None].astype(np.float64) - people[..., :2]).sum(axis=-1)
    similarity = np.exp(-squared / _spreads(areas, skeleton))
    return np.where(people[..., 2] > 0, similarity, 0.0)


def object_similarities(places: np.ndarray, people: np.ndarray, areas: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Return the OKS of detections and people, ``(D, P)``; arguments as of ``similarities``."""
    labelled = np.maximum((people[..., 2] > 0).sum(axis=-1), 1)
    return np.asarray(similarities(places, people, areas, skeleton).sum(axis=-1) / labelled)


def classify(
    detected: np.ndarray, people: np.ndarray, areas: np.ndarray, own: int, skeleton: Skeleton
) -> KeypointErrors:
    """Classify the keypoints of a detection.

    Args:
        detected: ``(K, 2)`` px; x = y = 0 means not detected.
        people: ``(P, K, 3)`` the labelled people of the image: x, y (px) and COCO's visibility.
        areas: ``(P,)`` px^2.
        own: Which of them the detection is matched with.
        skeleton: Gives sigmas and sides.
    """
    here = similarities(detected[None], people, areas, skeleton)[0]
    across = similarities(detected[None], people[:, list(skeleton.flip_index)], areas, skeleton)[0]
    across[:, np.arange(skeleton.num_keypoints) == skeleton.flip_index] = 0  # no other side
    others = np.arange(len(people)) != own
    right = here[own]
    inverted = across[own]
    swapped = np.maximum(here, across)[others].max(axis=0, initial=0)
    absent = (detected == 0).all(axis=1)
    inverted[absent] = swapped[absent] = 0

    kinds = np.select(
        [right >= WELL_PLACED, right >= FOUND, (inverted >= FOUND) & (inverted >= swapped), swapped >= FOUND],
        [GOOD, JITTER, INVERSION, SWAP],
        MISS,
    )
    reached = np.choose(kinds, [right, np.full_like(right, WELL_PLACED), inverted, swapped, np.full_like(right, FOUND)])
    kinds = np.where(people[own, :, 2] > 0, kinds, UNLABELED)

    truth = people[own, :, :2].astype(np.float64)
    away = detected - truth
    distance = np.hypot(*away.T)
    allowed = np.sqrt(-np.log(np.clip(reached, FOUND, 1)) * _spreads(areas, skeleton)[own]) * _INSIDE
    wrong = kinds > GOOD
    nearer = truth + away * np.divide(allowed, distance, out=np.ones_like(distance), where=wrong)[:, None]
    return KeypointErrors(kinds, np.where(wrong[:, None], nearer, detected))


def _spreads(areas: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Return ``(P, K)`` the squared distance at which the similarity is 1 / e, px^2, as COCO's program has it."""
    sigmas = np.array(skeleton.oks_sigmas)
    return np.asarray(2 * (np.asarray(areas, dtype=np.float64)[:, None] + np.spacing(1)) * (2 * sigmas) ** 2)
