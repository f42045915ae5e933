"""Checks over all labeled people of a split, for mistakes of converters and annotators."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from gog_pose.data.inspection.findings import Finding
from gog_pose.skeleton import Skeleton

_FEWEST = 20  # people for checks over a whole split
_SAME = 0.9  # least object keypoint similarity of two annotations of the same person
_SAME_LABELS = 0.75  # least ratio of keypoints labeled in both annotations to those labeled in either
_FEWEST_KEYPOINTS = 3  # that rarely coincide by chance
_FITS_BETTER = 0.15  # least gain of the mean intersection over union
_CORNER = 0.5  # share of both sides of the images beyond which no keypoint lies
# Seen from the front, the left eye is at the right. In COCO val2017, this is reversed for 0.6% of the pairs of eyes and
# 29% of the pairs of shoulders.
_MOST_REVERSED = {"eye": 0.3, "shoulder": 0.6}


class LabeledPerson(NamedTuple):
    """A labeled person without errors.

    Attributes:
        where: File and index of the annotation.
        image_id: COCO's id of the image.
        annotation_id: COCO's id of the annotation, if it has one.
        image_hw: ``(H, W)`` of the image, px.
        box: ``(4,)`` x, y, width, height, px.
        area: px^2.
        keypoints: ``(K, 3)`` x, y, px, and visibility.
    """

    where: str
    image_id: int
    annotation_id: int | None
    image_hw: tuple[int, int]
    box: np.ndarray
    area: float
    keypoints: np.ndarray

    @property
    def labelled(self) -> np.ndarray:
        """``(N, 2)`` px of the labeled keypoints."""
        return self.keypoints[self.keypoints[:, 2] > 0, :2]

    def finding(self, kind: str, message: str) -> Finding:
        """Return a finding about this person."""
        return Finding(kind, f"{self.where}: {message}", self.image_id, self.annotation_id)


def suspicions(people: Sequence[LabeledPerson], skeleton: Skeleton) -> Iterator[Finding]:
    """Yield all suspicions about the labeled people of a split."""
    yield from _listed_twice(people, skeleton)
    yield from _copied(people)
    for person in people:
        yield from _of_person(person, skeleton)
    if len(people) >= _FEWEST:
        yield from _of_another_format(people)
        yield from _in_a_corner(people)
    yield from _sides_swapped(people, skeleton)


def skeleton_suspicions(skeleton: Skeleton) -> Iterator[Finding]:
    """Find keypoints whose names differ only in left and right, but which are not a flip pair."""
    partners = {
        name: skeleton.keypoints[mirror] for name, mirror in zip(skeleton.keypoints, skeleton.flip_index, strict=True)
    }
    for left, right in _sides(skeleton):
        if partners[left] != right:
            message = f"skeleton {skeleton.name}: flip_pairs: {left} and {right} are not a pair; add them"
            yield Finding("flip pair forgotten", message)


def _listed_twice(people: Sequence[LabeledPerson], skeleton: Skeleton) -> Iterator[Finding]:
    variances = (2 * np.array(skeleton.oks_sigmas)) ** 2
    by_image = defaultdict(list)
    for person in people:
        by_image[person.image_id].append(person)
    for own in by_image.values():
        for first, second in combinations(own, 2):
            one, other = first.keypoints[:, 2] > 0, second.keypoints[:, 2] > 0
            both = one & other
            if both.sum() < max(min(_FEWEST_KEYPOINTS, one.sum()), _SAME_LABELS * (one | other).sum()):
                continue
            distances = np.linalg.norm(first.keypoints[both, :2] - second.keypoints[both, :2], axis=1)
            scale = max(first.area, second.area, 1.0)
            if np.exp(-(distances**2) / (2 * scale * variances[both])).mean() >= _SAME:
                place = first.where.rpartition(" ")[2]
                yield second.finding(
                    "person listed twice",
                    f"keypoints are on average {distances.mean():.1f} px from those of {place}; remove one",
                )


def _copied(people: Sequence[LabeledPerson]) -> Iterator[Finding]:
    seen: dict[bytes, LabeledPerson] = {}
    for person in people:
        if len(person.labelled) < _FEWEST_KEYPOINTS:
            continue
        first = seen.setdefault(np.where(person.keypoints[:, 2:] > 0, person.keypoints, 0).tobytes(), person)
        if first.image_id != person.image_id:
            place = first.where.rpartition(" ")[2]
            yield person.finding(
                "labels copied", f"has exactly the keypoints of {place} on another image; check which are correct"
            )


def _of_person(person: LabeledPerson, skeleton: Skeleton) -> Iterator[Finding]:
    labelled = person.labelled
    at_origin = int((labelled == 0).all(axis=1).sum())
    if at_origin:
        message = f"keypoints: {at_origin} labeled at (0, 0); set the visibility of unlabeled keypoints to 0"
        yield person.finding("keypoint at the origin", message)
    elif len(labelled) > 1 and labelled.min() >= 0 and labelled.max() <= 1 < min(person.image_hw) - 1:
        message = "keypoints: all are between 0 and 1, like fractions of the image; multiply by width and height"
        yield person.finding("keypoints in shares", message)
    else:
        spots, counts = np.unique(labelled, axis=0, return_counts=True)
        if counts.max() >= _FEWEST_KEYPOINTS:
            x, y = spots[counts.argmax()]
            yield person.finding(
                "keypoints on one spot", f"keypoints: {counts.max()} at ({x:.6g}, {y:.6g}); correct them"
            )


# Other formats of box and keypoints: a description, and the conversion of both to the correct format.
_FORMATS: Mapping[str, tuple[str, Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]]] = {
    "boxes as corners": (
        "bbox as x, y of two corners",
        lambda box, points: (np.array([*box[:2], *(box[2:] - box[:2]).clip(0)]), points),
    ),
    "boxes as centers": (
        "bbox as center, width and height",
        lambda box, points: (np.array([*(box[:2] - box[2:] / 2), *box[2:]]), points),
    ),
    "keypoints as y, x": ("keypoints as y, x", lambda box, points: (box, points[:, ::-1])),
    "keypoints in the box": ("keypoints from the corner of the box", lambda box, points: (box, points + box[:2])),
}


def _of_another_format(people: Sequence[LabeledPerson]) -> Iterator[Finding]:
    """Check over all people whether boxes and keypoints agree better if they are read in another format."""
    several = [person for person in people if len(person.labelled) > 1]
    if len(several) < _FEWEST:
        return
    fit = np.array([_overlap(person.box, person.labelled) for person in several])
    for kind, (meaning, change) in _FORMATS.items():
        changed = [change(person.box, person.labelled) for person in several]
        others = np.array([_overlap(box, points) for box, points in changed])
        if others.mean() > fit.mean() + _FITS_BETTER:
            worst = several[int((others - fit).argmax())]
            yield worst.finding(
                kind,
                f"{(others > fit).mean():.0%} of {len(several)} people, such as this one, fit better with {meaning}:"
                f" mean overlap of box and keypoints {others.mean():.2f} instead of {fit.mean():.2f}; convert the file",
            )


def _overlap(box: np.ndarray, points: np.ndarray) -> float:
    """Return the intersection over union of a box and the bounding box of points."""
    low, high = points.min(axis=0), points.max(axis=0)
    shared = (np.minimum(high, box[:2] + box[2:]) - np.maximum(low, box[:2])).clip(0).prod()
    union = box[2:].prod() + (high - low).prod() - shared
    return float(shared / max(union, 1e-9))


def _in_a_corner(people: Sequence[LabeledPerson]) -> Iterator[Finding]:
    reach = np.array([person.labelled.max(axis=0) / person.image_hw[::-1] for person in people])
    if (reach.max(axis=0) < _CORNER).all() and people[0].labelled.max() > 1:
        farthest = people[int(reach.max(axis=1).argmax())]
        yield farthest.finding(
            "labels of smaller images",
            f"none of {len(people)} people has a keypoint beyond {reach[:, 0].max():.0%} of the width and"
            f" {reach[:, 1].max():.0%} of the height of an image; check that labels are in px of these images",
        )


def _sides_swapped(people: Sequence[LabeledPerson], skeleton: Skeleton) -> Iterator[Finding]:
    place = {name: index for index, name in enumerate(skeleton.keypoints)}
    for part, most in _MOST_REVERSED.items():
        pairs = [(place[left], place[right]) for left, right in _sides(skeleton) if part in left.lower()]
        if len(pairs) != 1:
            continue
        left, right = pairs[0]
        both = [person for person in people if (person.keypoints[[left, right], 2] > 0).all()]
        reversed_ = [person for person in both if person.keypoints[left, 0] < person.keypoints[right, 0]]
        if len(both) < _FEWEST:
            continue
        if len(reversed_) > most * len(both):
            yield reversed_[0].finding(
                "left and right swapped",
                f"{len(reversed_) / len(both):.0%} of {len(both)} people, such as this one, have their"
                f" {skeleton.keypoints[left]} at the left, as if seen from behind; check that left is the person's",
            )
        return


def _sides(skeleton: Skeleton) -> list[tuple[str, str]]:
    """Return the pairs of keypoints whose names differ only in left and right, or in l and r beside a separator."""
    names = {name.lower(): name for name in skeleton.keypoints}
    pairs = []
    for lower, name in names.items():
        mirrored = [lower.replace("left", "right", 1)] if "left" in lower else []
        mirrored += [f"r{lower[1:]}" for start in ("l_", "l-", "l ") if lower.startswith(start)]
        mirrored += [f"{lower[:-1]}r" for end in ("_l", "-l", " l") if lower.endswith(end)]
        pairs += [(name, names[other]) for other in mirrored if other in names]
    return pairs
