"""Diagnosis of detections: lost, merged, split and misplaced people.

All definitions use the similarity of one keypoint, the term that COCO averages into OKS:
``exp(-d^2 / (2 area (2 sigma_k)^2))``, where ``d`` is the distance from the labeled to the detected keypoint. Within
each type, labeled and detected keypoints are matched one to one in order of decreasing similarity, down to 0.5. If the
keypoints of several people coincide, the person whose OKS with the detection is highest is matched first.

A labeled keypoint is

- *found* if it is matched, *missing* if not;
- *misplaced* if it is found with a similarity below 0.85;
- missing *in a crowd* if it is missing and another person's labeled keypoint of its type is so near that the map cannot
  show two peaks.

A labeled person is

- *lost* if none of its keypoints is found;
- *merged* if a detection contains found keypoints of this person and of another;
- *split* if its found keypoints are in more than one detection: *by the graph* if there are no more detections than
  connected components of the labeled keypoints in the limb graph, which no grouping along limbs can avoid, else *by the
  decoder*;
- *incomplete* if some but not all of its keypoints are found;
- *misplaced* if one of its keypoints is misplaced;
- *intact* if none of the above applies.

Several of these can apply to one person. Where each person counts once, the first in the order of ``CAUSES`` counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from gog_pose.evaluation.oks import FOUND, OKS_THRESHOLDS, WELL_PLACED
from gog_pose.evaluation.oracle.limb_graph import connected_components
from gog_pose.poses import Poses
from gog_pose.skeleton import Skeleton

CAUSES = ("lost", "merged", "split_by_decoder", "split_by_graph", "incomplete", "misplaced", "intact")


class PersonVerdict(NamedTuple):
    """The verdict on one labeled person.

    Attributes:
        oks: OKS with the person's detection, after pairing people and detections one to one in order of decreasing
            OKS; 0 = no detection.
        labelled: Number of labeled keypoints.
        found: Number of found keypoints.
        misplaced: Number of found keypoints whose similarity is below 0.85.
        crowded: Number of missing keypoints in a crowd.
        detections: Number of detections that contain the found keypoints.
        components: Number of connected components of the labeled keypoints in the limb graph.
        merged: True if one of these detections contains keypoints of another person.
    """

    oks: float
    labelled: int
    found: int
    misplaced: int
    crowded: int
    detections: int
    components: int
    merged: bool

    @property
    def failures(self) -> tuple[str, ...]:
        """All ``CAUSES`` that apply to the person; ``("intact",)`` if no other applies."""
        split = self.detections > 1
        holds = {
            "lost": self.found == 0,
            "merged": self.merged,
            "split_by_decoder": split and self.detections > self.components,
            "split_by_graph": split and self.detections <= self.components,
            "incomplete": 0 < self.found < self.labelled,
            "misplaced": self.misplaced > 0,
        }
        return tuple(cause for cause in CAUSES[:-1] if holds[cause]) or ("intact",)

    @property
    def recall_lost(self) -> float:
        """Share of COCO's ten OKS thresholds that the person's detection does not reach."""
        return float((self.oks < OKS_THRESHOLDS).mean())


class ImageDiagnosis(NamedTuple):
    """The verdicts on the people of one image.

    Attributes:
        people: One verdict per labeled person.
        detections: Number of detections.
        false_keypoints: Number of detected keypoints that match no labeled keypoint.
    """

    people: list[PersonVerdict]
    detections: int
    false_keypoints: int

    @property
    def recall_lost(self) -> float:
        """Lost recall, summed over the people of the image."""
        return sum(person.recall_lost for person in self.people)


def diagnose(
    keypoints: np.ndarray, areas: np.ndarray, poses: Poses, skeleton: Skeleton, *, crowding: float
) -> ImageDiagnosis:
    """Compare the detections of one image with its labeled people.

    Args:
        keypoints: ``(P, K, 3)`` labeled people: x, y (px) and COCO's visibility.
        areas: ``(P,)`` px^2.
        poses: The detections, in the same coordinates.
        skeleton: OKS sigmas and limbs.
        crowding: Distance below which two keypoints of a type cannot both have a peak, px.
    """
    labelled = keypoints[..., 2] > 0
    similarity = _similarities(keypoints, areas, poses, skeleton)  # (P, N, K)
    oks = similarity.sum(axis=2) / np.maximum(labelled.sum(axis=1), 1)[:, None]
    holder, closeness = _match(similarity, oks)
    paired = _pair(oks, oks, least=np.finfo(float).tiny)

    found = holder >= 0
    owners: dict[int, set[int]] = {}
    for person, index in zip(*np.nonzero(found), strict=True):
        owners.setdefault(int(holder[person, index]), set()).add(int(person))
    people = []
    for person in range(len(keypoints)):
        detections = set(holder[person, found[person]].tolist())
        missing = np.flatnonzero(labelled[person] & ~found[person])
        people.append(
            PersonVerdict(
                oks=float(oks[person, paired[person]]) if person in paired else 0.0,
                labelled=int(labelled[person].sum()),
                found=int(found[person].sum()),
                misplaced=int((closeness[person, found[person]] < WELL_PLACED).sum()),
                crowded=sum(_is_crowded(keypoints[:, index], person, crowding) for index in missing),
                detections=len(detections),
                components=len(connected_components(labelled[person], skeleton.limbs)),
                merged=any(len(owners[detection]) > 1 for detection in detections),
            )
        )
    return ImageDiagnosis(people, len(poses), int((poses.keypoints[..., 2] > 0).sum() - found.sum()))


def summarize(images: Iterable[ImageDiagnosis]) -> dict[str, Any]:
    """Count the verdicts.

    Returns:
        ``people``: number of people, number of people with each failure (one person may count several times), and
        number of detections. ``keypoints``: counts of keypoints. ``recall_lost``: the recall lost per cause, where each
        person counts once, under the first cause that applies, and the sum.
    """
    images = list(images)
    verdicts = [person for image in images for person in image.people]
    total = max(1, len(verdicts))
    failures = [verdict.failures for verdict in verdicts]
    labelled, found = sum(verdict.labelled for verdict in verdicts), sum(verdict.found for verdict in verdicts)
    first = [(held[0], verdict.recall_lost / total) for held, verdict in zip(failures, verdicts, strict=True)]
    return {
        "people": {
            "labelled": len(verdicts),
            **{cause: sum(cause in held for held in failures) for cause in CAUSES},
            "detections": sum(image.detections for image in images),
        },
        "keypoints": {
            "labelled": labelled,
            "found": found,
            "misplaced": sum(verdict.misplaced for verdict in verdicts),
            "missing": labelled - found,
            "missing_in_a_crowd": sum(verdict.crowded for verdict in verdicts),
            "false": sum(image.false_keypoints for image in images),
        },
        "recall_lost": {
            **{cause: sum(lost for held, lost in first if held == cause) for cause in CAUSES},
            "all": sum(lost for _, lost in first),
        },
    }


def _similarities(keypoints: np.ndarray, areas: np.ndarray, poses: Poses, skeleton: Skeleton) -> np.ndarray:
    """Return ``(P, N, K)`` similarities of people and detections; 0 where a keypoint is not labeled or not detected."""
    away = keypoints[:, None, :, :2].astype(np.float64) - poses.keypoints[None, :, :, :2]
    spread = 2 * areas[:, None, None].astype(np.float64) * (2 * np.array(skeleton.oks_sigmas)) ** 2
    both = (keypoints[:, None, :, 2] > 0) & (poses.keypoints[None, :, :, 2] > 0)
    return np.where(both, np.exp(-np.square(away).sum(axis=-1) / np.maximum(spread, np.finfo(float).eps)), 0.0)


def _match(similarity: np.ndarray, oks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Match the keypoints of each type.

    Returns:
        ``(P, K)`` detection that contains each labeled keypoint, -1 where it is missing, and ``(P, K)`` similarities.
    """
    people, _, types = similarity.shape
    holder = np.full((people, types), -1)
    closeness = np.zeros((people, types))
    for index in range(types):
        for person, detection in _pair(similarity[..., index], oks, least=FOUND).items():
            holder[person, index] = detection
            closeness[person, index] = similarity[person, detection, index]
    return holder, closeness


def _pair(similarity: np.ndarray, oks: np.ndarray, *, least: float) -> dict[int, int]:
    """Pair rows and columns of a matrix one to one, in order of decreasing value down to ``least``."""
    rows, columns = np.nonzero(similarity >= least)
    # Rounding makes values equal that differ only by the rounding of coordinates; OKS decides between them.
    order = np.lexsort((-oks[rows, columns], -similarity[rows, columns].round(3)))
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if row not in pairs and column not in taken:
            pairs[row] = column
            taken.add(column)
    return pairs


def _is_crowded(keypoints: np.ndarray, person: int, crowding: float) -> bool:
    """Return whether another person's labeled keypoint, of ``(P, 3)`` of one type, is nearer than ``crowding`` px."""
    away = np.hypot(*(keypoints[:, :2] - keypoints[person, :2]).T)
    others = keypoints[:, 2] > 0
    others[person] = False
    return bool((others & (away < crowding)).any())
