"""AP as COCO measures it, of detections whose errors are repaired one kind after the other or one kind alone.

The kinds in their order (``REPAIRS``) are those of M. R. Ronchi and P. Perona (ICCV 2017), Sec. 3:

- *miss*, *swap*, *inversion*, *jitter*: the keypoints that have this error are put where it would not have moved them
  (see ``keypoint_errors``);
- *score*: people and detections are paired one to one, most similar first, and a detection's score is the OKS of its
  pair; all others rank below. (The authors' program lowers the scores of a person's other detections by soft
  non-maximum suppression instead, which has a constant to choose.)
- *false positive*: detections that even then match nobody, at each OKS threshold by itself, do not count;
- *false negative*: people that even then match no detection do not count.

After the last one AP is 1: what counts is matched. Alone, a repair starts from the detections as they are; false
positives and negatives are the same ones.
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
    """What the repair of one kind of error leads to.

    Attributes:
        kind: One of ``REPAIRS``.
        alone: With no other kind repaired.
        together: With all kinds before it in ``REPAIRS`` repaired as well.
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
    """Measure what each repair gains.

    Args:
        truth: The annotations.
        detected: The detections of each image.
        repaired: For each image ``(D, K, 2)`` where the keypoints are once they are repaired, px.
        kinds: For each image ``(D, K)`` what is wrong with them, index into ``KINDS``; below 0 = nothing to repair.
        category_id: Of the people.
        skeleton: Gives the OKS sigmas.

    Returns:
        The precision of the detections as they are, and one ``Repair`` for each of ``REPAIRS``.
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
        # The first in the order is repaired alone there.
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
    """Return the detections with wrong keypoints, ``(D, K)`` each image, where they are once repaired."""
    return [
        image._replace(places=np.where(mask[..., None], places, image.places))
        for image, places, mask in zip(images, repaired, wrong, strict=True)
    ]


def _ranked(truth: COCO, images: Sequence[Detected], skeleton: Skeleton) -> list[Detected]:
    """Return the detections with the scores that rank them by their pairs."""
    return [image._replace(scores=_best_scores(truth, image, skeleton)) for image in images]


def _best_scores(truth: COCO, image: Detected, skeleton: Skeleton) -> np.ndarray:
    """Return ``(D,)`` the OKS of a detection's pair; of one without a pair its OKS with the nearest person, less 1."""
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
