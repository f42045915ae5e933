"""Classification and repair of the errors of detected keypoints.

The definitions follow M. R. Ronchi and P. Perona, *Benchmarking and Error Diagnosis in Multi-Instance Pose Estimation*
(ICCV 2017), Sec. 3.1. They use the similarity of a detected and a labeled keypoint, the term that COCO averages into
OKS: ``exp(-d^2 / (2 area (2 sigma)^2))``. A detected keypoint is

- *good* if its similarity with the person's labeled keypoint is at least 0.85, the agreement of human annotators;
- *jitter* if this similarity is at least 0.5;
- *inversion* if not, but its similarity with the same person's keypoint of the other side is at least 0.5;
- *swap* if not, but its similarity with another person's keypoint of the same type or of the other side is at least
  0.5;
- *miss* otherwise, or if it is not detected.

If both inversion and swap apply, the one with the higher similarity counts. The authors' program, coco-analyze, first
looks for the most similar labeled keypoint of all people, so a good keypoint is a swap there if another person's
keypoint is even nearer. Here the person's labeled keypoint is checked first.

The repair moves a keypoint on the line to its labeled position: jitter to a similarity of 0.85, a miss to 0.5, and an
inversion or a swap to the similarity that it has at the wrong position. (The authors' program halves these distances.)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gog_pose.evaluation.oks import FOUND, WELL_PLACED
from gog_pose.skeleton import Skeleton

KINDS = ("good", "jitter", "inversion", "swap", "miss")
GOOD, JITTER, INVERSION, SWAP, MISS = range(len(KINDS))
UNLABELED = -1

_INSIDE = 1 - 1e-9  # factor of distances, so that repaired keypoints reach their similarity despite rounding


class KeypointErrors(NamedTuple):
    """The keypoint errors of one detection.

    Attributes:
        kinds: ``(K,)`` index into ``KINDS``, ``UNLABELED`` where the person's keypoint is not labeled.
        repaired: ``(K, 2)`` positions after the repair, px; unchanged where there is no error.
    """

    kinds: np.ndarray
    repaired: np.ndarray


def similarities(places: np.ndarray, people: np.ndarray, areas: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Return the similarities of detected and labeled keypoints of the same type.

    Args:
        places: ``(D, K, 2)`` detected keypoints, px.
        people: ``(P, K, 3)`` labeled people, x, y (px) and COCO's visibility; or ``(D, P, K, 3)``, with separate
            positions for each detection.
        areas: ``(P,)`` px^2.
        skeleton: OKS sigmas of the keypoints.

    Returns:
        ``(D, P, K)`` in [0, 1]; 0 where a keypoint is not labeled.
    """
    squared = np.square(places[:, None].astype(np.float64) - people[..., :2]).sum(axis=-1)
    similarity = np.exp(-squared / _spreads(areas, skeleton))
    return np.where(people[..., 2] > 0, similarity, 0.0)


def object_similarities(places: np.ndarray, people: np.ndarray, areas: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Return the OKS of detections and people, ``(D, P)``; for the arguments see ``similarities``."""
    labelled = np.maximum((people[..., 2] > 0).sum(axis=-1), 1)
    return np.asarray(similarities(places, people, areas, skeleton).sum(axis=-1) / labelled)


def classify(
    detected: np.ndarray, people: np.ndarray, areas: np.ndarray, own: int, skeleton: Skeleton
) -> KeypointErrors:
    """Classify the keypoints of a detection.

    Args:
        detected: ``(K, 2)`` px; x = y = 0: not detected.
        people: ``(P, K, 3)`` labeled people of the image: x, y (px) and COCO's visibility.
        areas: ``(P,)`` px^2.
        own: Index of the person that the detection is matched with.
        skeleton: OKS sigmas and mirror pairs.
    """
    here = similarities(detected[None], people, areas, skeleton)[0]
    across = similarities(detected[None], people[:, list(skeleton.flip_index)], areas, skeleton)[0]
    across[:, np.arange(skeleton.num_keypoints) == skeleton.flip_index] = 0  # types without a mirrored type
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
    """Return ``(P, K)`` squared distances at which the similarity is 1 / e, px^2, as in COCO's program."""
    sigmas = np.array(skeleton.oks_sigmas)
    return np.asarray(2 * (np.asarray(areas, dtype=np.float64)[:, None] + np.spacing(1)) * (2 * sigmas) ** 2)
