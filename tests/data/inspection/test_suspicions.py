"""Mistakes of converters and annotators that only the statistics of a whole split show."""

import numpy as np
import pytest
from inspected import SKELETON

from gog_pose.data.inspection.suspicions import LabeledPerson, skeleton_suspicions, suspicions
from gog_pose.skeleton import Skeleton, load_skeleton

HEIGHT, WIDTH = 480, 640
LEFT_EYE, RIGHT_EYE = 1, 2


def crowd(change=lambda box, points: (box, points), count=30, seed=0):
    """People one per image, anywhere, facing the camera, whose boxes fit their keypoints."""
    random = np.random.default_rng(seed)
    people = []
    for place in range(count):
        size = random.uniform(60, 160)
        points = random.uniform((0, 0), (WIDTH - size, HEIGHT - size)) + random.uniform(0, size, (17, 2))
        points[[LEFT_EYE, RIGHT_EYE], 0] = sorted(points[[LEFT_EYE, RIGHT_EYE], 0], reverse=True)
        low, high = points.min(axis=0), points.max(axis=0)
        box, points = change(np.array([*low, *(high - low)]), points)
        keypoints = np.column_stack([points, np.full(17, 2.0)])
        people.append(
            LabeledPerson(f"f.json: annotations[{place}]", place, place, (HEIGHT, WIDTH), box, 9e3, keypoints)
        )
    return people


def kinds(people, skeleton=SKELETON):
    return sorted(finding.kind for finding in suspicions(people, skeleton))


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda box, points: (box, points), []),
        (lambda box, points: (np.array([*box[:2], *(box[:2] + box[2:])]), points), ["boxes as corners"]),
        (lambda box, points: (np.array([*(box[:2] + box[2:] / 2), *box[2:]]), points), ["boxes as centers"]),
        (lambda box, points: (box, points[:, ::-1]), ["keypoints as y, x", "left and right swapped"]),
        (lambda box, points: (box, points - box[:2]), ["keypoints in the box", "labels of smaller images"]),
        (lambda box, points: (box / 3, points / 3), ["labels of smaller images"]),
        (lambda box, points: (box, points[[0, 2, 1, *range(3, 17)]]), ["left and right swapped"]),
        (lambda box, points: (box, points / (WIDTH, HEIGHT)), ["keypoints in shares"]),
    ],
)
def test_what_all_people_have_in_common_is_found(change, kind):
    assert sorted(set(kinds(crowd(change)))) == kind


def test_of_few_people_nothing_is_said_in_general():
    assert kinds(crowd(lambda box, points: (box, points[:, ::-1]), count=5)) == []


def moved(person, by, **fields):
    return person._replace(keypoints=np.add(person.keypoints, (by, 0, 0)), **fields)


def test_people_listed_twice_are_told_from_neighbors():
    first, *_ = crowd(count=1)
    assert kinds([first, moved(first, 2)]) == ["person listed twice"]
    assert kinds([first, moved(first, 60)]) == []
    assert kinds([first, moved(first, 2, image_id=9)]) == []
    few = first.keypoints.copy()
    few[5:, 2] = 0
    assert kinds([first, moved(first, 2)._replace(keypoints=few)]) == []


def test_exact_copies_on_other_images_are_found():
    first, *_ = crowd(count=1)
    assert kinds([first, moved(first, 0, image_id=9)]) == ["labels copied"]
    (finding,) = suspicions([first, moved(first, 0, image_id=9, where="f.json: annotations[7]")], SKELETON)
    assert "annotations[7]" in finding.message
    assert "annotations[0]" in finding.message
    assert finding.image_id == 9


@pytest.mark.parametrize(
    "names", [("left_wing", "right_wing"), ("LeftWing", "RightWing"), ("l_wing", "r_wing"), ("Wing L", "Wing R")]
)
def test_forgotten_flip_pairs_are_found_by_name(names):
    def bird(*flip_pairs):
        return Skeleton("bird", ["beak", *names], [[0, 1], [0, 2]], flip_pairs, [0.1] * 3)

    assert list(skeleton_suspicions(bird([1, 2]))) == []
    forgotten = Skeleton("bird", ["beak", *names], [[0, 1], [0, 2]], [], [0.1] * 3)
    (finding,) = skeleton_suspicions(forgotten)
    assert finding.kind == "flip pair forgotten"
    assert names[0] in finding.message


@pytest.mark.parametrize("name", ["coco_19", "crowdpose"])
def test_known_skeletons_forget_no_pair(name):
    assert list(skeleton_suspicions(load_skeleton(name))) == []
