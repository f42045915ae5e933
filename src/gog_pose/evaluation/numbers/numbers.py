"""All numbers beside COCO's of one set of detections, from one matching of detections and people.

Detections and people are matched as COCO's program matches them: the detection with the highest score first, each with
the person of the highest OKS that is still free, if this OKS reaches a least value. Regions of crowds and people
without labeled keypoints do not count, nor do detections matched with them; at most 20 detections per image count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from gog_pose.data.annotation_file import AnnotationFile
from gog_pose.evaluation.coco import coco_truth
from gog_pose.evaluation.errors.precision import KeypointEvaluation, best_detections
from gog_pose.evaluation.numbers.distances import Distances
from gog_pose.evaluation.numbers.score_threshold import ScoreCurve
from gog_pose.evaluation.numbers.sizes import person_sizes, size_pairs
from gog_pose.evaluation.numbers.type_precision import type_precisions
from gog_pose.evaluation.oks import FOUND, MATCHED
from gog_pose.skeleton import Skeleton
from gog_pose.system.options import Positive, Range

Oks = Annotated[float, Range(0, 1, above=True)]
_CURVE_ROWS = 50  # of the score curve in results files


@dataclass(frozen=True)
class NumberOptions:
    """Options of the measurement.

    Attributes:
        pck: Thresholds of PCK, in units of ``pck_size``.
        pck_size: ``box``, ``head`` or ``torso`` (see ``person_sizes``).
        f1_oks: Least OKS of a right detection, for precision, recall and F1.
    """

    pck: Sequence[Positive] = (0.05, 0.1, 0.2)
    pck_size: str = "box"
    f1_oks: Oks = FOUND

    def check(self, skeleton: Skeleton) -> None:
        """Raise ``InputError`` where the skeleton lacks the keypoints of a size."""
        size_pairs(self.pck_size, skeleton)


@dataclass(frozen=True)
class Numbers:
    """The numbers of a set of detections.

    Attributes:
        skeleton: Names the keypoint types.
        options: What was measured.
        distances: Of the keypoints of all counting people, matched at an OKS of 0.1.
        precisions: AP of each type.
        scores: Precision, recall and F1 by score threshold.
    """

    skeleton: Skeleton
    options: NumberOptions
    distances: Distances
    precisions: Mapping[str, float]
    scores: ScoreCurve

    def by_type(self) -> dict[str, dict[str, float]]:
        """Return ``AP`` and the numbers of ``Distances.summary`` by name of the keypoint type."""
        return {
            name: {"AP": self.precisions[name], **self.distances.of_type(index).summary(self.options.pck)}
            for index, name in enumerate(self.skeleton.keypoints)
        }

    def to_dict(self) -> dict[str, Any]:
        """Return all numbers as values for JSON.

        Returns:
            ``keypoints``: ``all``, the numbers of ``Distances.summary`` of all types together; ``by_type``;
            ``match_oks``, ``pck_size``; ``people_without_size``, the number of people whose keypoints PCK does not
            count. ``score_threshold``: ``best`` and ``curve`` of ``ScoreCurve``, and their ``oks``.
        """
        return {
            "keypoints": {
                "match_oks": MATCHED,
                "pck_size": self.options.pck_size,
                "people_without_size": int(np.isnan(self.distances.sizes).sum()),
                "all": self.distances.summary(self.options.pck),
                "by_type": self.by_type(),
            },
            "score_threshold": {
                "oks": self.options.f1_oks,
                "best": self.scores.best(),
                "curve": self.scores.rows(_CURVE_ROWS),
            },
        }


def measure_numbers(
    file: AnnotationFile,
    detections: Mapping[int, Sequence[Mapping[str, Any]]],
    skeleton: Skeleton,
    options: NumberOptions | None = None,
) -> Numbers:
    """Measure detections over exactly the images that are given, as ``CocoKeypointEvaluator`` does.

    Args:
        file: The annotations.
        detections: For each image id, its people in COCO's results format.
        skeleton: What a person is made of.
        options: What to measure.

    Raises:
        InputError: The annotations lack an image, people have another number of keypoints than the skeleton, or the
            skeleton lacks the keypoints of ``pck_size``.
    """
    options = options or NumberOptions()
    options.check(skeleton)
    truth = coco_truth(file, skeleton)
    detected = best_detections(file, detections, skeleton)
    thresholds = np.array([MATCHED, options.f1_oks])
    matching = KeypointEvaluation(truth, detected, file.category_id, skeleton, thresholds, sizes=1)

    places = np.concatenate([np.zeros((1, skeleton.num_keypoints, 2)), *(image.places for image in detected)])  # by id
    people: list[Mapping[str, Any]] = []
    partners: list[int] = []  # ids of their detections, 0 = none
    scores: list[float] = []
    is_right: list[bool] = []
    for image in matching.evalImgs:
        if image is None:
            continue
        counts = ~image["gtIgnore"]
        people += [truth.anns[entry] for entry in image["gtIds"][counts]]
        partners += image["gtMatches"][0, counts].tolist()
        kept = ~image["dtIgnore"][1]
        scores += np.array(image["dtScores"])[kept].tolist()
        is_right += (image["dtMatches"][1, kept] > 0).tolist()
    return Numbers(
        skeleton,
        options,
        _distances(people, places[partners], options.pck_size, skeleton),
        type_precisions(truth, detected, skeleton),
        ScoreCurve.of(np.array(scores), np.array(is_right, dtype=bool), len(people)),
    )


def _distances(people: Sequence[Mapping[str, Any]], places: np.ndarray, size: str, skeleton: Skeleton) -> Distances:
    """Return the distances of P people and ``(P, K, 2)`` detected places, px; x = y = 0 means not detected."""
    labels = np.array([person["keypoints"] for person in people], dtype=np.float64)
    labels = labels.reshape(-1, skeleton.num_keypoints, 3)
    boxes = np.array([person["bbox"] for person in people], dtype=np.float64).reshape(-1, 4)
    areas = np.array([person["area"] for person in people], dtype=np.float64)
    px = np.hypot(*np.moveaxis(labels[..., :2] - places, -1, 0))
    px[(places == 0).all(axis=-1)] = np.inf
    px[labels[..., 2] <= 0] = np.nan
    return Distances(px, np.sqrt(areas + np.spacing(1)), person_sizes(size, labels, boxes, skeleton))
