"""COCO's evaluation with access to its matches and precision curves, also without some detections or people."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from gog_pose.data.annotation_file import AnnotationFile
from gog_pose.errors import InputError
from gog_pose.evaluation.errors.keypoint_errors import object_similarities
from gog_pose.evaluation.oks import OKS_THRESHOLDS
from gog_pose.skeleton import Skeleton

MAX_DETECTIONS = 20  # per image, those with the highest scores; COCO evaluates no more
_ALL, _MEDIUM, _LARGE = range(3)  # COCO's ranges of area


class Detected(NamedTuple):
    """The detections of one image.

    Attributes:
        image_id: COCO's id.
        places: ``(D, K, 2)`` px.
        scores: ``(D,)``.
    """

    image_id: int
    places: np.ndarray
    scores: np.ndarray


def best_detections(
    file: AnnotationFile, detections: Mapping[int, Sequence[Mapping[str, Any]]], skeleton: Skeleton
) -> list[Detected]:
    """Return the detections that COCO evaluates, by ascending image id and descending score.

    Args:
        file: The annotations of the images.
        detections: Detected people per image id, in COCO's results format.
        skeleton: Keypoints of a person.

    Raises:
        InputError: The annotations lack an image, or the number of a person's keypoints differs from the skeleton's.
    """
    known = {image["id"] for image in file.images}
    for image_id in detections:
        if image_id not in known:
            raise InputError(
                f"{file.path}: images: has no image with the id {image_id} of the detections; give the annotations"
                " of the same images"
            )
    return [_detected(image_id, detections[image_id], skeleton) for image_id in sorted(detections)]


def _detected(image_id: int, people: Sequence[Mapping[str, Any]], skeleton: Skeleton) -> Detected:
    """Return the detections of an image that COCO evaluates, in order of decreasing score."""
    for person in people:
        if len(person["keypoints"]) != 3 * skeleton.num_keypoints:
            raise InputError(
                f"detections: image {image_id}: keypoints: {len(person['keypoints'])} numbers, but the skeleton has"
                f" {skeleton.num_keypoints} keypoints of 3 numbers each; choose the skeleton of these detections"
            )
    scores = np.array([person["score"] for person in people], dtype=np.float64)
    order = np.argsort(-scores, kind="stable")[:MAX_DETECTIONS]
    places = np.array([person["keypoints"] for person in people], dtype=np.float64)
    return Detected(image_id, places.reshape(-1, skeleton.num_keypoints, 3)[order, :, :2], scores[order])


class Precision(NamedTuple):
    """Precision of detections.

    Attributes:
        curves: ``(10, 101)`` precision by OKS threshold (``OKS_THRESHOLDS``) and recall (0, 0.01 ... 1); nan where
            nobody counts.
        medium: The same for medium people only.
        large: The same for large people only.
    """

    curves: np.ndarray
    medium: np.ndarray
    large: np.ndarray

    def to_dict(self) -> dict[str, float]:
        """Return AP, AP50, AP75, AP_M and AP_L, as fractions of 1."""
        parts = {
            "AP": self.curves,
            "AP50": self.curves[0],
            "AP75": self.curves[5],
            "AP_M": self.medium,
            "AP_L": self.large,
        }
        return {name: float(part[~np.isnan(part)].mean()) if _is_any(part) else np.nan for name, part in parts.items()}


class Unmatched(NamedTuple):
    """Unmatched detections and people, by area range and OKS threshold.

    Attributes:
        detections: ``(A, T, N)`` bool, indexed by id.
        people: ``(A, T, M)`` bool, indexed by id.
    """

    detections: np.ndarray
    people: np.ndarray

    def of_size(self, size: int) -> Unmatched:
        """Return the unmatched detections and people of one area range."""
        return Unmatched(self.detections[size], self.people[size])


class KeypointEvaluation(COCOeval):  # type: ignore[misc]
    """COCO's keypoint evaluation with its two inner loops vectorized; the results differ at most by rounding.

    ``evalImgs`` contains the matches in the same format as in pycocotools.

    Args:
        truth: The annotations.
        detected: The detections of each image to evaluate, limited to those that COCO evaluates.
        category_id: Category of the people.
        skeleton: OKS sigmas of the keypoints.
        thresholds: OKS thresholds.
        sizes: Number of COCO's area ranges to evaluate, in the order all, medium, large.
    """

    evalImgs: list[dict[str, Any] | None]

    def __init__(
        self,
        truth: COCO,
        detected: Sequence[Detected],
        category_id: int,
        skeleton: Skeleton,
        thresholds: Sequence[float] | np.ndarray = OKS_THRESHOLDS,
        sizes: int = 3,
    ) -> None:
        self._skeleton = skeleton
        with contextlib.redirect_stdout(io.StringIO()):
            super().__init__(truth, _results(detected, category_id), "keypoints")
            self.params.imgIds = sorted(image.image_id for image in detected)
            self.params.catIds = [category_id]
            self.params.iouThrs = np.asarray(thresholds)
            self.params.areaRng = self.params.areaRng[:sizes]
            self.params.areaRngLbl = self.params.areaRngLbl[:sizes]
            self.params.maxDets = [MAX_DETECTIONS]
            self.params.kpt_oks_sigmas = np.array(skeleton.oks_sigmas)
            self.evaluate()

    def computeOks(self, imgId: int, catId: int) -> np.ndarray:
        """Return ``(D, G)`` OKS, detections in order of decreasing score, annotations in file order."""
        annotated, detected = self._gts[imgId, catId], self._dts[imgId, catId]
        num_keypoints = self._skeleton.num_keypoints
        order = _by_score(detected, self.params.maxDets[-1])
        places = np.array([detected[index]["places"] for index in order]).reshape(-1, num_keypoints, 2)
        people = np.array([person["keypoints"] for person in annotated], dtype=np.float64)
        people = people.reshape(-1, num_keypoints, 3)
        areas = np.array([person["area"] for person in annotated], dtype=np.float64)
        oks = object_similarities(places, people, areas, self._skeleton)
        unlabelled = np.flatnonzero(~(people[..., 2] > 0).any(axis=1))
        if len(unlabelled):
            boxes = np.array([annotated[index]["bbox"] for index in unlabelled], dtype=np.float64)
            oks[:, unlabelled] = box_similarities(places, boxes, areas[unlabelled], self._skeleton)
        return oks

    def evaluateImg(self, imgId: int, catId: int, aRng: Sequence[float], maxDet: int) -> dict[str, Any] | None:
        """Match the detections and people of an image for all thresholds at once."""
        annotated, detected = self._gts[imgId, catId], self._dts[imgId, catId]
        if not annotated and not detected:
            return None
        areas = np.array([person["area"] for person in annotated], dtype=np.float64)
        ignored = np.array([person["ignore"] for person in annotated], dtype=bool)
        ignored |= (areas < aRng[0]) | (areas > aRng[1])
        crowds = np.array([person["iscrowd"] for person in annotated], dtype=bool)
        detected = [detected[index] for index in _by_score(detected, maxDet)]
        partners = match(self.ious[imgId, catId], ignored, crowds, self.params.iouThrs)

        is_matched = partners >= 0
        people_ids = np.array([person["id"] for person in annotated], dtype=np.int64)
        detection_ids = np.array([entry["id"] for entry in detected], dtype=np.int64)
        rows, columns = np.nonzero(is_matched)
        of_people = np.zeros((len(partners), len(annotated)), dtype=np.int64)
        of_people[rows, partners[rows, columns]] = detection_ids[columns]
        of_detections = np.zeros(partners.shape, dtype=np.int64)
        of_detections[rows, columns] = people_ids[partners[rows, columns]]
        extents = np.array([entry["area"] for entry in detected])
        passed_over = ~is_matched & ((extents < aRng[0]) | (extents > aRng[1]))
        passed_over[rows, columns] = ignored[partners[rows, columns]]
        return {
            "image_id": imgId,
            "aRng": aRng,
            "dtIds": detection_ids,
            "gtIds": people_ids,
            "dtMatches": of_detections,
            "gtMatches": of_people,
            "dtScores": [entry["score"] for entry in detected],
            "gtIgnore": ignored,
            "dtIgnore": passed_over,
        }

    def precision(self) -> Precision:
        """Return the precision of the detections."""
        with contextlib.redirect_stdout(io.StringIO()):
            self.accumulate()
        return _by_size(self.eval["precision"])

    def average_precision(self, sample: np.ndarray) -> float:
        """Return the AP of a sample of the images, which may contain an image several times.

        Args:
            sample: Places of images by rising id, at most as many as there are images.

        Returns:
            The AP over people of all sizes, nan if the sample has none.
        """
        every = self.evalImgs
        number = len(self.params.imgIds)
        absent = [None] * (number - len(sample))
        self.evalImgs = [*(every[place] for place in sample), *absent, *every[number:]]
        with contextlib.redirect_stdout(io.StringIO()):
            self.accumulate()
        self.evalImgs = every
        precision = self.eval["precision"][..., _ALL, :]
        return float(precision.mean()) if (precision >= 0).all() else float("nan")

    def precision_without(self, unmatched: Unmatched) -> Precision:
        """Return the precision if the given detections and people do not count where they are unmatched.

        If no person is left that counts, the precision is 0 if any detection is left that counts, and 1 otherwise.
        """
        every, thresholds = self.evalImgs, self.params.iouThrs
        rows = []
        for place in range(len(thresholds)):  # one by one, because COCO ignores an annotation at all thresholds or none
            self.params.iouThrs = thresholds[place : place + 1]
            self.evalImgs = [
                None if image is None else _without(image, place, unmatched.of_size(index // len(self.params.imgIds)))
                for index, image in enumerate(every)
            ]
            with contextlib.redirect_stdout(io.StringIO()):
                self.accumulate()
            found = self.eval["precision"]
            for size in range(len(self.params.areaRng)):
                if self._counts(every, size, "gtIgnore") and not self._counts(self.evalImgs, size, "gtIgnore"):
                    found[..., size, 0] = not self._counts(self.evalImgs, size, "dtIgnore")
            rows.append(found)
        self.evalImgs, self.params.iouThrs = every, thresholds
        return _by_size(np.concatenate(rows))

    def _counts(self, images: Sequence[dict[str, Any] | None], size: int, ignored: str) -> bool:
        """Return whether any entry of an area range is not marked in ``ignored``."""
        own = images[size * len(self.params.imgIds) : (size + 1) * len(self.params.imgIds)]
        return not all(image is None or image[ignored].all() for image in own)

    def unmatched(self) -> Unmatched:
        """Return the detections and people that count but are unmatched."""
        sizes, thresholds = len(self.params.areaRng), len(self.params.iouThrs)
        detections = np.zeros((sizes, thresholds, max(self.cocoDt.anns, default=0) + 1), dtype=bool)
        people = np.zeros((sizes, thresholds, max(self.cocoGt.anns, default=0) + 1), dtype=bool)
        for index, image in enumerate(self.evalImgs):
            if image is not None:
                size = index // len(self.params.imgIds)
                detections[size][:, image["dtIds"]] = (image["dtMatches"] == 0) & ~image["dtIgnore"]
                people[size][:, image["gtIds"]] = (image["gtMatches"] == 0) & ~image["gtIgnore"]
        return Unmatched(detections, people)


def box_similarities(places: np.ndarray, boxes: np.ndarray, areas: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Return COCO's OKS of detections and people without labeled keypoints, from distances to the enlarged box.

    The box is enlarged by its width to both sides, and by its height upwards and downwards.

    Args:
        places: ``(D, K, 2)`` detected keypoints, px.
        boxes: ``(P, 4)`` left, top, width, height, px.
        areas: ``(P,)`` px^2.
        skeleton: OKS sigmas of the keypoints.

    Returns:
        ``(D, P)``.
    """
    low, high = boxes[:, None, :2] - boxes[:, None, 2:], boxes[:, None, :2] + 2 * boxes[:, None, 2:]
    nearest = places[:, None].clip(low, high)  # (D, P, K, 2)
    nearest = np.concatenate([nearest, np.ones_like(nearest[..., :1])], axis=-1)
    return object_similarities(places, nearest, areas, skeleton)


def match(oks: np.ndarray, ignored: np.ndarray, crowds: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Match each detection, in order of decreasing score, with the most similar unmatched person, as in COCO.

    Args:
        oks: ``(D, G)`` or ``(T, D, G)``, detections in order of decreasing score.
        ignored: ``(G,)`` or ``(T, G)`` True for annotations that are matched only if no other annotation is left.
        crowds: ``(G,)`` True for annotations that several detections may match.
        thresholds: ``(T,)`` lowest OKS of a match.

    Returns:
        ``(T, D)`` index of each detection's annotation, -1 = none.
    """
    least = np.minimum(thresholds, 1 - 1e-10)[:, None]
    oks = np.broadcast_to(oks, (len(thresholds), *oks.shape[-2:]))
    partners = np.full(oks.shape[:2], -1)
    taken = np.zeros((len(thresholds), oks.shape[2]), dtype=bool)
    for detection in np.flatnonzero((oks >= least.min()).any(axis=(0, 2))):
        own = oks[:, detection]
        possible = (own >= least) & ~taken
        counting = possible & ~ignored
        possible = np.where(counting.any(axis=1, keepdims=True), counting, possible)
        best = oks.shape[2] - 1 - np.where(possible, own, -1)[:, ::-1].argmax(axis=1)  # the last if tied
        rows = np.flatnonzero(possible.any(axis=1))
        partners[rows, detection] = best[rows]
        taken[rows, best[rows]] = ~crowds[best[rows]]
    return partners


def _results(detected: Sequence[Detected], category_id: int) -> COCO:
    """Return detections as a pycocotools ``COCO`` object, with ids from 1 in the order of the list."""
    entries: list[dict[str, Any]] = []
    for image in detected:
        extents = np.ptp(image.places, axis=1).prod(axis=1)  # COCO's definition of the area of a detection
        for places, score, extent in zip(image.places, image.scores.tolist(), extents.tolist(), strict=True):
            entries.append(
                {
                    "id": len(entries) + 1,
                    "image_id": image.image_id,
                    "category_id": category_id,
                    "places": places,
                    "score": score,
                    "area": extent,
                }
            )
    results = COCO()
    results.dataset = {"annotations": entries}
    results.createIndex()
    return results


def _without(image: dict[str, Any], place: int, unmatched: Unmatched) -> dict[str, Any]:
    """Return the result of ``evaluateImg`` at one threshold, with the given unmatched entries ignored as well."""
    row = slice(place, place + 1)
    of_people, of_detections = image["gtMatches"][row], image["dtMatches"][row]
    false, lost = unmatched.detections[row, image["dtIds"]], unmatched.people[row, image["gtIds"]]
    return {
        **image,
        "gtMatches": of_people,
        "dtMatches": of_detections,
        "dtIgnore": image["dtIgnore"][row] | (false & (of_detections == 0)),
        "gtIgnore": image["gtIgnore"] | (lost & (of_people == 0))[0],
    }


def _by_score(detected: Sequence[dict[str, Any]], count: int) -> np.ndarray:
    """Return the indices of the ``count`` best detections, in the sort order of COCO's program."""
    return np.argsort([-entry["score"] for entry in detected], kind="stable")[:count].astype(np.int64)


def _by_size(found: np.ndarray) -> Precision:
    """Split ``(T, R, 1, A, 1)`` precisions, -1 where nobody counts, by area range."""
    curves = np.where(found < 0, np.nan, found)[:, :, 0, :, 0]
    return Precision(*(curves[..., size] for size in (_ALL, _MEDIUM, _LARGE)))


def _is_any(part: np.ndarray) -> bool:
    return bool((~np.isnan(part)).any())
