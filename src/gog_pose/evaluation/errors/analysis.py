"""Error analysis after M. R. Ronchi and P. Perona (ICCV 2017) for detections in COCO's results format.

People and detections are matched as in COCO, in order of decreasing score, from an OKS of 0.1. Then

- each labeled keypoint of a matched person is good, jitter, inversion, swap or miss (see ``keypoint_errors``);
- a person without a detection is a *false negative*;
- a detection without a person is a *false positive*: a *duplicate* if it reaches this OKS with any person, else
  *background*. Detections matched with people without labeled keypoints are neither;
- a person is *outranked* if a duplicate has a higher OKS than the person's matched detection, whose score is higher.

The cost of an error is the AP that its repair gains (see ``repairs``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pycocotools.coco import COCO

from gog_pose.data.annotation_file import AnnotationFile
from gog_pose.errors import InputError
from gog_pose.evaluation.coco import coco_truth
from gog_pose.evaluation.errors.keypoint_errors import KINDS, MISS, UNLABELED, classify, object_similarities
from gog_pose.evaluation.errors.precision import Detected, KeypointEvaluation, Precision, best_detections
from gog_pose.evaluation.errors.repairs import Repair, measure_repairs
from gog_pose.evaluation.oks import MATCHED, OKS_THRESHOLDS
from gog_pose.skeleton import Skeleton

SIZES = {"small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, float("inf"))}  # area, px^2
CROWDING = {"0": (0, 0), "1-2": (1, 2), "3+": (3, float("inf"))}  # number of overlapping people
OVERLAP = 0.1  # lowest intersection over union of the boxes of overlapping people


class ImageErrors(NamedTuple):
    """The errors of one image with P labeled people and D detections (at most 20, in order of decreasing score).

    Attributes:
        image_id: COCO's id.
        file_name: File name in the annotations.
        image_hw: Height and width, px.
        people: ``(P, K, 3)`` x, y (px) and COCO's visibility.
        areas: ``(P,)`` px^2.
        overlaps: ``(P,)`` number of other people whose boxes overlap the person's box.
        detection_of: ``(P,)`` index of each person's detection; -1 = none, a false negative.
        oks: ``(P,)`` OKS of each person and its detection; 0 without a detection.
        kinds: ``(P, K)`` index into ``KINDS``; ``UNLABELED`` where there is no label or no detection.
        outranked: ``(P,)`` True where a duplicate has a higher OKS.
        places: ``(D, K, 2)`` detected keypoints, px; x = y = 0: not detected.
        repaired: ``(D, K, 2)`` keypoints after the repair, px.
        scores: ``(D,)``.
        is_background: ``(D,)`` True for background false positives.
        is_duplicate: ``(D,)`` True for duplicates.
    """

    image_id: int
    file_name: str
    image_hw: tuple[int, int]
    people: np.ndarray
    areas: np.ndarray
    overlaps: np.ndarray
    detection_of: np.ndarray
    oks: np.ndarray
    kinds: np.ndarray
    outranked: np.ndarray
    places: np.ndarray
    repaired: np.ndarray
    scores: np.ndarray
    is_background: np.ndarray
    is_duplicate: np.ndarray

    @property
    def recall_lost(self) -> float:
        """Sum over the people of the share of COCO's ten OKS thresholds that the person's detection does not reach."""
        return float((self.oks[:, None] < OKS_THRESHOLDS).mean(axis=1).sum())

    @property
    def not_detected(self) -> np.ndarray:
        """``(P, K)`` True for misses where the detection lacks the keypoint."""
        absent = (self.places == 0).all(axis=-1)[self.detection_of] if len(self.places) else np.zeros_like(self.kinds)
        return np.asarray((self.kinds == MISS) & absent.astype(bool))


@dataclass(frozen=True)
class ErrorAnalysis:
    """The errors of all images and their cost.

    Attributes:
        skeleton: Keypoints and their OKS sigmas.
        images: One record per image.
        precision: Precision of the original detections.
        repairs: Precision after the repair of each kind of error, in the order of ``REPAIRS``.
    """

    skeleton: Skeleton
    images: Sequence[ImageErrors]
    precision: Precision
    repairs: Sequence[Repair]

    def worst(self, count: int) -> list[ImageErrors]:
        """Return up to ``count`` images that lose recall, in order of decreasing loss."""
        ordered = sorted(self.images, key=lambda image: -image.recall_lost)
        return [image for image in ordered[:count] if image.recall_lost > 0]

    def to_dict(self) -> dict[str, Any]:
        """Return all counts and precisions as values for JSON.

        Returns:
            AP, AP50, AP75, AP_M and AP_L of the original detections; ``repairs``: the same after each repair, alone
            and together with the previous repairs, and the gain in AP; ``people``, ``detections``, ``keypoints``:
            counts; ``by_keypoint``, ``by_size``, ``by_crowding``: counts per keypoint type and per group of people.
        """
        people = _Pool.of(self.images)
        background = sum(int(image.is_background.sum()) for image in self.images)
        duplicates = sum(int(image.is_duplicate.sum()) for image in self.images)
        return {
            **self.precision.to_dict(),
            "repairs": self._gains(),
            **people.counts(),
            "detections": {
                "evaluated": sum(len(image.scores) for image in self.images),
                "matched": int(people.is_matched.sum()),
                "background": background,
                "duplicate": duplicates,
            },
            "by_keypoint": {
                name: _count(people.kinds[:, index], people.not_detected[:, index])
                for index, name in enumerate(self.skeleton.keypoints)
            },
            "by_size": {
                name: people.chosen((people.areas >= low) & (people.areas < high)).counts()
                for name, (low, high) in SIZES.items()
            },
            "by_crowding": {
                name: people.chosen((people.overlaps >= low) & (people.overlaps <= high)).counts()
                for name, (low, high) in CROWDING.items()
            },
        }

    def _gains(self) -> dict[str, Any]:
        original = before = self.precision.to_dict()["AP"]
        gains = {}
        for repair in self.repairs:
            alone, together = repair.alone.to_dict(), repair.together.to_dict()
            gains[repair.kind] = {
                "alone": {"gain": alone["AP"] - original, **alone},
                "together": {"gain": together["AP"] - before, **together},
            }
            before = together["AP"]
        return gains


def analyse(
    annotations: str | Path | AnnotationFile,
    detections: Mapping[int, Sequence[Mapping[str, Any]]],
    skeleton: Skeleton,
) -> ErrorAnalysis:
    """Analyze the errors of detections over exactly the given images, like ``CocoKeypointEvaluator``.

    Args:
        annotations: COCO-format JSON file, or an ``AnnotationFile``.
        detections: Detected people per image id in COCO's results format (see ``Poses.to_coco``).
        skeleton: Keypoints and their OKS sigmas.

    Raises:
        InputError: The file is missing or malformed, lacks an image, or has no labeled person on any of the images, or
            the number of a person's keypoints differs from the skeleton's.
    """
    file = AnnotationFile.of(annotations)
    truth, category_id = coco_truth(file, skeleton), file.category_id
    detected = best_detections(file, detections, skeleton)
    matching = KeypointEvaluation(truth, detected, category_id, skeleton, [MATCHED], sizes=1)
    first = np.cumsum([1, *(len(image.scores) for image in detected)])  # id of the first detection of each image
    images = [
        _errors(truth, image, matched, int(start), skeleton)
        for image, matched, start in zip(detected, matching.evalImgs, first, strict=False)
    ]
    if not any(len(image.people) for image in images):
        raise InputError(
            f"{file.path}: no image of the detections has a person with keypoints; give the annotations of these images"
        )
    kinds = [_by_detection(image, skeleton) for image in images]
    precision, repairs = measure_repairs(
        truth, detected, [image.repaired for image in images], kinds, category_id, skeleton
    )
    return ErrorAnalysis(skeleton, images, precision, repairs)


class _Pool(NamedTuple):
    """The labeled people of many images."""

    kinds: np.ndarray
    not_detected: np.ndarray
    labelled: np.ndarray
    is_matched: np.ndarray
    outranked: np.ndarray
    oks: np.ndarray
    areas: np.ndarray
    overlaps: np.ndarray

    @classmethod
    def of(cls, images: Sequence[ImageErrors]) -> _Pool:
        fields = [
            (
                image.kinds,
                image.not_detected,
                image.people[..., 2] > 0,
                image.detection_of >= 0,
                image.outranked,
                image.oks,
                image.areas,
                image.overlaps,
            )
            for image in images
        ]
        return cls(*(np.concatenate(field) for field in zip(*fields, strict=True)))

    def chosen(self, rows: np.ndarray) -> _Pool:
        return _Pool(*(field[rows] for field in self))

    def counts(self) -> dict[str, Any]:
        return {
            "people": {
                "labelled": len(self.oks),
                "matched": int(self.is_matched.sum()),
                "false_negative": int((~self.is_matched).sum()),
                "outranked": int(self.outranked.sum()),
                "mean_oks": float(self.oks.mean()) if len(self.oks) else float("nan"),
            },
            "keypoints": {
                **_count(self.kinds, self.not_detected),
                "of_false_negatives": int(self.labelled[~self.is_matched].sum()),
            },
        }


def _count(kinds: np.ndarray, not_detected: np.ndarray) -> dict[str, int]:
    """Count the keypoints of matched people per kind, and the misses that were not detected at all."""
    counts = {name: int((kinds == index).sum()) for index, name in enumerate(KINDS)}
    return {**counts, "not_detected": int(not_detected.sum())}


def _errors(
    truth: COCO, image: Detected, matched: dict[str, Any] | None, first: int, skeleton: Skeleton
) -> ImageErrors:
    """Return the errors of one image.

    Args:
        truth: The annotations.
        image: The detections of the image.
        matched: The image's result of COCO's evaluation; None if there are neither people nor detections.
        first: Id of the image's first detection in COCO's evaluation.
        skeleton: Keypoints and their OKS sigmas.
    """
    matched = matched or {"gtIds": [], "gtIgnore": [], "gtMatches": [[]], "dtMatches": [[]], "dtIds": []}
    counts = [not ignored for ignored in matched["gtIgnore"]]
    own = [truth.anns[entry] for entry, counted in zip(matched["gtIds"], counts, strict=True) if counted]
    partners = [entry for entry, counted in zip(matched["gtMatches"][0], counts, strict=True) if counted]
    detection_of = np.array(partners, dtype=np.int64) - first
    detection_of[detection_of < 0] = -1  # COCO's evaluation uses 0 for no match
    has_match = np.zeros(len(image.scores), dtype=bool)  # also with people who do not count
    for entry, partner in zip(matched["dtIds"], matched["dtMatches"][0], strict=True):
        has_match[entry - first] = partner > 0

    people = np.array([person["keypoints"] for person in own], dtype=np.float64).reshape(-1, skeleton.num_keypoints, 3)
    areas = np.array([person["area"] for person in own], dtype=np.float64)
    oks = object_similarities(image.places, people, areas, skeleton)  # (D, P)
    kinds = np.full(people.shape[:2], UNLABELED)
    repaired = image.places.copy()
    for person in np.flatnonzero(detection_of >= 0):
        detection = detection_of[person]
        kinds[person], repaired[detection] = classify(image.places[detection], people, areas, int(person), skeleton)
    rows = np.arange(len(own))
    own_oks = np.where(detection_of >= 0, oks[detection_of, rows], 0.0) if len(oks) else np.zeros(len(own))
    is_duplicate = ~has_match & (oks >= MATCHED).any(axis=1)
    details = truth.imgs[image.image_id]
    return ImageErrors(
        image_id=image.image_id,
        file_name=str(details["file_name"]),
        image_hw=(int(details["height"]), int(details["width"])),
        people=people,
        areas=areas,
        overlaps=_overlaps(own, truth.imgToAnns[image.image_id]),
        detection_of=detection_of,
        oks=own_oks,
        kinds=kinds,
        outranked=(detection_of >= 0) & (oks[is_duplicate].max(axis=0, initial=0) > own_oks),
        places=image.places,
        repaired=repaired,
        scores=image.scores,
        is_background=~has_match & ~is_duplicate,
        is_duplicate=is_duplicate,
    )


def _by_detection(image: ImageErrors, skeleton: Skeleton) -> np.ndarray:
    """Return ``(D, K)`` kinds of the keypoints of each detection; ``UNLABELED`` for detections without a person."""
    kinds = np.full((len(image.places), skeleton.num_keypoints), UNLABELED)
    matched = image.detection_of >= 0
    kinds[image.detection_of[matched]] = image.kinds[matched]
    return kinds


def _overlaps(own: Sequence[Mapping[str, Any]], everybody: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Return the number of other people whose boxes overlap the box of each person; crowd regions do not count."""
    single = [person for person in everybody if not person["iscrowd"]]
    boxes = np.array([person["bbox"] for person in single], dtype=np.float64).reshape(-1, 4)
    near, far = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    sides = np.minimum(far[:, None], far) - np.maximum(near[:, None], near)
    shared = sides.clip(0).prod(axis=-1)
    areas = boxes[:, 2:].prod(axis=-1)
    union = areas[:, None] + areas - shared
    others = (shared > OVERLAP * union) & ~np.eye(len(single), dtype=bool)
    numbers = {person["id"]: int(count) for person, count in zip(single, others.sum(axis=1), strict=True)}
    return np.array([numbers[person["id"]] for person in own], dtype=np.int64)
