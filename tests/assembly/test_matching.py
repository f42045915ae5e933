"""Matching by tags: the order of types, the assignment, and the rules of the public program one by one."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gog_pose.assembly.matching import match_tags, type_order
from gog_pose.skeleton import Skeleton, load_skeleton


def skeleton(limbs, count=5):
    return Skeleton("some", [f"k{kind}" for kind in range(count)], limbs, [], [0.1] * count)


def test_the_order_of_cocos_types_is_the_public_one():
    assert type_order(load_skeleton("coco_19")) == (0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13, 14, 15, 16)


def test_the_order_follows_the_limbs_from_their_center():
    assert type_order(skeleton([(0, 1), (1, 2), (2, 3), (3, 4)])) == (2, 1, 3, 0, 4)
    assert type_order(skeleton([(4, 0), (4, 1), (4, 2)])) == (4, 0, 1, 2, 3), "no limb reaches 3"
    assert type_order(skeleton([])) == (0, 1, 2, 3, 4)
    crowdpose = load_skeleton("crowdpose")
    order = type_order(crowdpose)
    assert sorted(order) == list(range(14))
    assert [crowdpose.keypoints[kind] for kind in order[:2]] == ["left_shoulder", "right_shoulder"]


def matched(*tags, responses=None, **options):
    """Match candidates given by their tags for each type; return people as tuples of ranks."""
    most = max(len(one) for one in tags)
    table, present = np.zeros((len(tags), most, 1)), np.zeros((len(tags), most))
    for kind, own in enumerate(tags):
        table[kind, : len(own), 0], present[kind, : len(own)] = own, 1
    responses = present if responses is None else present * responses
    return match_tags(table, responses, tuple(range(len(tags))), **{"threshold": 1.0, **options}).tolist()


def test_candidates_join_the_person_whose_tag_is_theirs():
    assert matched([0.0, 5.0], [5.1, 0.2, 9.0]) == [[0, 1], [1, 0], [-1, 2]]


def test_people_are_compared_by_the_mean_of_their_tags():
    # 0.9 and 1.7 draw the mean to 0.87; 1.8 is near enough to that, not to 0.
    assert matched([0.0], [0.9], [1.4], [1.7]) == [[0, 0, 0, 0]]
    assert matched([0.0], [1.7]) == [[0, -1], [-1, 0]]


def test_the_first_type_with_candidates_starts_people_and_none_gives_none():
    assert matched([], [1.0], [1.1]) == [[-1, 0, 0]]
    assert match_tags(np.zeros((3, 0, 1)), np.zeros((3, 0)), (0, 1, 2), threshold=1.0).shape == (0, 3)


def test_the_public_cost_is_blind_where_the_distance_breaks_ties():
    # Both distances of both candidates round to 0: only the tie-breaking tells the people apart, in either order.
    for tags in ([0.05, 0.42], [0.42, 0.05]):
        people = matched([0.0, 0.45], tags)
        assert people == [[0, tags.index(0.05)], [1, tags.index(0.42)]]
        assert people == matched([0.0, 0.45], tags, cost="distance")


def test_equal_tags_are_one_person_for_the_public_program_only():
    assert matched([2.0, 2.0]) == [[0], [1]]
    assert matched([2.0, 2.0], unique=True) == [[1]], "the later one replaces the earlier"


def test_candidates_are_matched_with_the_first_people_only():
    assert matched([0.0, 5.0], [5.0], max_people=1) == [[0, -1], [1, -1], [-1, 0]]


@settings(deadline=None)
@given(
    st.lists(st.floats(-3, 3), min_size=1, max_size=4),
    st.lists(st.floats(-3, 3), min_size=1, max_size=4),
    st.sampled_from(["tie_broken", "public", "distance"]),
)
def test_the_assignment_is_the_cheapest(people, candidates, cost):
    """Against all assignments; ``threshold`` lets every pair join."""
    responses = np.linspace(0.2, 0.9, max(len(people), len(candidates)))
    result = matched(people, candidates, responses=responses, cost=cost, threshold=np.inf)

    def price(person, candidate):
        distance = abs(people[person] - candidates[candidate])
        rounded = 100 * np.round(distance) - responses[candidate]
        return {"tie_broken": rounded + 0.01 * distance, "public": rounded, "distance": distance}[cost]

    pairs = [(person, rank) for person, (first, rank) in enumerate(result) if first >= 0 and rank >= 0]
    assert len(pairs) == min(len(people), len(candidates))
    swap = len(people) > len(candidates)
    fewer, more = sorted((len(people), len(candidates)))
    cheapest = min(
        sum(price(*((many, few) if swap else (few, many))) for few, many in enumerate(chosen))
        for chosen in itertools.permutations(range(more), fewer)
    )
    assert sum(price(*pair) for pair in pairs) == pytest.approx(cheapest, abs=1e-9)
