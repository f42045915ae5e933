"""All metrics beyond COCO's for one set of detections.

Detections and people are matched as in COCO's program: in order of decreasing score, each detection is matched with the
unmatched person of highest OKS, if this OKS reaches a threshold. Crowd regions and people without labeled keypoints do
not count, nor do detections matched with them. At most 20 detections per image count.
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
_CURVE_ROWS = 50  # points of the score curve in results files


@dataclass(frozen=True)
class NumberOptions:
    """Options of the metrics.

    Attributes:
        pck: PCK thresholds, in units of ``pck_size``.
        pck_size: ``box``, ``head`` or ``torso`` (see ``person_sizes``).
        f1_oks: Lowest OKS of a correct detection, for precision, recall and F1.
    """

    pck: Sequence[Positive] = (0.05, 0.1, 0.2)
    pck_size: str = "box"
    f1_oks: Oks = FOUND

    def check(self, skeleton: Skeleton) -> None:
        """Raise ``InputError`` if the skeleton lacks the keypoints that ``pck_size`` needs."""
        size_pairs(self.pck_size, skeleton)


@dataclass(frozen=True)
class Numbers:
    """The metrics of a set of detections.

    Attributes:
        skeleton: Names of the keypoint types.
        options: Options of the metrics.
        distances: Distances of the keypoints of all people that count, matched from an OKS of 0.1.
        precisions: AP per keypoint type.
        scores: Precision, recall and F1 per score threshold.
    """

    skeleton: Skeleton
    options: NumberOptions
    distances: Distances
    precisions: Mapping[str, float]
    scores: ScoreCurve

    def by_type(self) -> dict[str, dict[str, float]]:
        """Return ``AP`` and the metrics of ``Distances.summary`` by name of the keypoint type."""
        return {
            name: {"AP": self.precisions[name], **self.distances.of_type(index).summary(self.options.pck)}
            for index, name in enumerate(self.skeleton.keypoints)
        }

    def to_dict(self) -> dict[str, Any]:
        """Return all metrics as values for JSON.

        Returns:
            ``keypoints``: ``all``, the metrics of ``Distances.summary`` over all types; ``by_type``; ``match_oks``,
            ``pck_size``; ``people_without_size``, the number of people that PCK leaves out. ``score_threshold``:
            ``best`` and ``curve`` of ``ScoreCurve``, and their ``oks``.
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
    """Compute the metrics over exactly the given images, like ``CocoKeypointEvaluator``.

    Args:
        file: The annotations.
        detections: Detected people per image id, in COCO's results format.
        skeleton: Keypoints and their OKS sigmas.
        options: Options of the metrics; None = the defaults.

    Raises:
        InputError: The annotations lack an image, the number of a person's keypoints differs from the skeleton's, or
            the skeleton lacks the keypoints of ``pck_size``.
    """
    options = options or NumberOptions()
    options.check(skeleton)
    truth = coco_truth(file, skeleton)
    detected = best_detections(file, detections, skeleton)
    thresholds = np.array([MATCHED, options.f1_oks])
    matching = KeypointEvaluation(truth, detected, file.category_id, skeleton, thresholds, sizes=1)

    # Indexed by detection id; 0 = no detection.
    places = np.concatenate([np.zeros((1, skeleton.num_keypoints, 2)), *(image.places for image in detected)])
    people: list[Mapping[str, Any]] = []
    partners: list[int] = []  # detection ids of the people, 0 = none
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
    """Return the distances for P people and their ``(P, K, 2)`` detected keypoints, px; x = y = 0: not detected."""
    labels = np.array([person["keypoints"] for person in people], dtype=np.float64)
    labels = labels.reshape(-1, skeleton.num_keypoints, 3)
    boxes = np.array([person["bbox"] for person in people], dtype=np.float64).reshape(-1, 4)
    areas = np.array([person["area"] for person in people], dtype=np.float64)
    px = np.hypot(*np.moveaxis(labels[..., :2] - places, -1, 0))
    px[(places == 0).all(axis=-1)] = np.inf
    px[labels[..., 2] <= 0] = np.nan
    return Distances(px, np.sqrt(areas + np.spacing(1)), person_sizes(size, labels, boxes, skeleton))
