"""COCO's AP after repairing one kind of error, alone or together with the previous kinds.

The kinds and their order (``REPAIRS``) follow M. R. Ronchi and P. Perona (ICCV 2017), Sec. 3:

- *miss*, *swap*, *inversion*, *jitter*: keypoints with this error are moved to their repaired positions (see
  ``keypoint_errors``);
- *score*: people and detections are paired one to one in order of decreasing OKS, and a paired detection's score is the
  OKS of the pair; all other detections rank below. (The authors' program instead lowers the scores of a person's other
  detections by soft non-maximum suppression, which depends on a constant.)
- *false positive*: detections that are still unmatched do not count, separately for each OKS threshold;
- *false negative*: people who are still unmatched do not count, separately for each OKS threshold.

After the last repair AP is 1, because everything that counts is matched. A repair alone starts from the original
detections; its false positives and false negatives are the same as those of the repairs together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from pycocotools.coco import COCO

from gog_pose.evaluation.errors.keypoint_errors import KINDS, object_similarities
from gog_pose.evaluation.errors.precision import Detected, KeypointEvaluation, Precision
from gog_pose.skeleton import Skeleton

REPAIRS = ("miss", "swap", "inversion", "jitter", "score", "false_positive", "false_negative")


class Repair(NamedTuple):
    """Precision after the repair of one kind of error.

    Attributes:
        kind: One of ``REPAIRS``.
        alone: Precision if no other kind is repaired.
        together: Precision if all previous kinds of ``REPAIRS`` are repaired as well.
    """

    kind: str
    alone: Precision
    together: Precision


def measure_repairs(
    truth: COCO,
    detected: Sequence[Detected],
    repaired: Sequence[np.ndarray],
    kinds: Sequence[np.ndarray],
    category_id: int,
    skeleton: Skeleton,
) -> tuple[Precision, list[Repair]]:
    """Measure the precision after each repair.

    Args:
        truth: The annotations.
        detected: The detections of each image.
        repaired: ``(D, K, 2)`` repaired keypoints of each image, px.
        kinds: ``(D, K)`` errors of each image, index into ``KINDS``; below 0 = nothing to repair.
        category_id: Category of the people.
        skeleton: OKS sigmas of the keypoints.

    Returns:
        The precision of the original detections, and one ``Repair`` for each of ``REPAIRS``.
    """

    def evaluated(images: Sequence[Detected]) -> KeypointEvaluation:
        return KeypointEvaluation(truth, images, category_id, skeleton)

    original = evaluated(detected)
    precision = original.precision()
    repairs: list[Repair] = []
    state: list[Detected] = list(detected)
    for kind in REPAIRS[:4]:
        wrong = [image == KINDS.index(kind) for image in kinds]
        state = _moved(state, repaired, wrong)
        together = evaluated(state).precision()
        # For the first kind, "together" equals "alone".
        alone = evaluated(_moved(detected, repaired, wrong)).precision() if repairs else together
        repairs.append(Repair(kind, alone, together))

    best = evaluated(_ranked(truth, state, skeleton))
    repairs.append(Repair("score", evaluated(_ranked(truth, detected, skeleton)).precision(), best.precision()))
    unmatched = best.unmatched()
    false = unmatched._replace(people=np.zeros_like(unmatched.people))
    lost = unmatched._replace(detections=np.zeros_like(unmatched.detections))
    repairs.append(Repair("false_positive", original.precision_without(false), best.precision_without(false)))
    repairs.append(Repair("false_negative", original.precision_without(lost), best.precision_without(unmatched)))
    return precision, repairs


def _moved(images: Sequence[Detected], repaired: Sequence[np.ndarray], wrong: Sequence[np.ndarray]) -> list[Detected]:
    """Return the detections with the wrong keypoints, ``(D, K)`` bool per image, moved to their repaired positions."""
    return [
        image._replace(places=np.where(mask[..., None], places, image.places))
        for image, places, mask in zip(images, repaired, wrong, strict=True)
    ]


def _ranked(truth: COCO, images: Sequence[Detected], skeleton: Skeleton) -> list[Detected]:
    """Return the detections with repaired scores."""
    return [image._replace(scores=_best_scores(truth, image, skeleton)) for image in images]


def _best_scores(truth: COCO, image: Detected, skeleton: Skeleton) -> np.ndarray:
    """Return ``(D,)`` OKS of paired detections; for the others, the OKS with the most similar person minus 1."""
    own = [person for person in truth.imgToAnns[image.image_id] if person["num_keypoints"] and not person["iscrowd"]]
    if not own or not len(image.scores):
        return np.full(len(image.scores), -1.0)
    people = np.array([person["keypoints"] for person in own], dtype=np.float64).reshape(len(own), -1, 3)
    oks = object_similarities(image.places, people, np.array([person["area"] for person in own]), skeleton)
    scores = oks.max(axis=1) - 1
    open_pairs = oks.copy()
    for _ in range(min(oks.shape)):
        detection, person = np.unravel_index(open_pairs.argmax(), oks.shape)
        scores[detection] = oks[detection, person]
        open_pairs[detection] = open_pairs[:, person] = -1
    return np.asarray(scores)
