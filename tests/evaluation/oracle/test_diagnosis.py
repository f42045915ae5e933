"""Each kind of failure is distinguished from the others, with hand-made detections."""

import numpy as np
import pytest
from annotated import HEAD, LEFT_SHIN, RIGHT_SHIN, standing

from gog_pose.evaluation import diagnose, summarize
from gog_pose.poses import Poses
from gog_pose.skeleton import load_skeleton

SKELETON = load_skeleton("coco_19")
AREA = 3000.0  # px^2
A, B = standing(0, 0), standing(150, 0)


def detections(*people):
    """Detections of given keypoints, (17, 3) each, with responses in place of visibilities."""
    keypoints = np.array(people, dtype=np.float32).reshape(-1, 17, 3)
    keypoints[..., 2] = keypoints[..., 2] > 0
    return Poses(keypoints, np.linspace(1, 0.5, len(keypoints), dtype=np.float32))


def part(person, indices):
    """Some keypoints of a person."""
    return np.where(np.isin(np.arange(17), list(indices))[:, None], person, 0)


def verdicts(people, *found, crowding=0.0):
    people = np.array(people)
    return diagnose(people, np.full(len(people), AREA), detections(*found), SKELETON, crowding=crowding)


def test_perfect_detections_are_intact():
    image = verdicts([A, B], B, A)
    assert [person.failures for person in image.people] == [("intact",)] * 2
    assert [person.oks for person in image.people] == pytest.approx([1, 1])
    assert image.recall_lost == 0
    assert image.false_keypoints == 0


def test_lost_without_any_keypoint():
    image = verdicts([A, B], B)
    assert image.people[0].failures == ("lost",)
    assert image.people[0].recall_lost == 1
    assert verdicts([A]).people[0].failures == ("lost",)


def test_split_by_the_decoder_although_the_graph_holds():
    upper, lower = range(11), range(11, 17)
    person = verdicts([A], part(A, upper), part(A, lower)).people[0]
    assert person.failures == ("split_by_decoder",)
    assert (person.detections, person.components) == (2, 1)
    assert person.oks == pytest.approx(11 / 17)  # 0.647 reaches 0.50, 0.55 and 0.60
    assert person.recall_lost == pytest.approx(0.7)


def test_split_by_the_graph_where_nothing_between_is_labelled():
    person = standing(0, 0, [*HEAD, *LEFT_SHIN, *RIGHT_SHIN])
    parts = [part(person, indices) for indices in (HEAD, LEFT_SHIN, RIGHT_SHIN)]
    verdict = verdicts([person], *parts).people[0]
    assert verdict.failures == ("split_by_graph",)
    assert verdict.oks == pytest.approx(5 / 9)
    finer = [part(person, indices) for indices in ([0, 1], [2, 3, 4], LEFT_SHIN, RIGHT_SHIN)]
    assert verdicts([person], *finer).people[0].failures == ("split_by_decoder",)


def test_merged_with_another_person():
    both = part(A, range(11)) + part(B, range(11, 17))
    image = verdicts([A, B], both, part(A, range(11, 17)), part(B, range(11)))
    assert image.people[0].failures == ("merged", "split_by_decoder")
    assert image.people[1].failures == ("merged", "split_by_decoder")


def test_misplaced_beyond_the_distance_of_similarity_085():
    unit = 2 * SKELETON.oks_sigmas[9] * np.sqrt(AREA)
    limit = unit * np.sqrt(-2 * np.log(0.85))
    for distance, failures, found in (
        (0.98 * limit, ("intact",), 17),
        (1.02 * limit, ("misplaced",), 17),
        (unit * np.sqrt(2 * np.log(2)) * 1.02, ("incomplete",), 16),  # similarity below 0.5
    ):
        moved = A.copy()
        moved[9, 0] += distance
        image = verdicts([A], moved)
        assert image.people[0].failures == failures
        assert image.people[0].found == found
        assert image.false_keypoints == 17 - found


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_coincident_people_the_likelier_gets_the_detection(order):
    """Two people on top of each other but for a wrist, and one detection: it is not torn between them."""
    near = A.copy()
    near[9, :2] += 40
    people = [A, near]
    image = verdicts([people[index] for index in order], near)
    assert image.people[order.index(1)].failures == ("intact",)
    assert image.people[order.index(0)].failures == ("lost",)


def test_missing_in_a_crowd():
    beside = A.copy()
    beside[:, 0] += 3
    image = verdicts([A, beside], A, crowding=4.0)
    assert image.people[0].failures == ("intact",)
    assert image.people[1].crowded == 17
    assert verdicts([A, beside], A, crowding=2.0).people[1].crowded == 0


def test_counts_add_up():
    image = verdicts([A, B], part(A, range(11)), part(A, range(11, 17)), part(B, range(16)), standing(0, 130, [0]))
    summary = summarize([image, verdicts([A], A)])
    assert summary["people"] == {
        "labelled": 3, "lost": 0, "merged": 0, "split_by_decoder": 1, "split_by_graph": 0, "incomplete": 1,
        "misplaced": 0, "intact": 1, "detections": 5,
    }  # fmt: skip
    assert summary["keypoints"] == {
        "labelled": 51, "found": 50, "misplaced": 0, "missing": 1, "missing_in_a_crowd": 0, "false": 1,
    }  # fmt: skip
    lost = summary["recall_lost"]
    assert lost["split_by_decoder"] == pytest.approx(0.7 / 3)
    assert lost["incomplete"] == pytest.approx(0.1 / 3)  # 16 of 17 = 0.941 misses 0.95 only
    assert lost["all"] == pytest.approx(0.8 / 3)
