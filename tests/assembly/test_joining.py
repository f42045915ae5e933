"""Joining fragments: hand-made bodies, and invariance to order and mirroring."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gog_pose.assembly.joining import join_fragments

CHAIN = [(0, 1), (1, 2), (2, 3), (3, 4)]


def people_of(*fragments):
    """Make the tables of fragments that are given as {type: (x, y)} or {type: (x, y, response)}."""
    types = 5
    xy = np.zeros((types, len(fragments), 2), np.float32)
    responses = np.zeros((types, len(fragments)), np.float32)
    people = np.full((len(fragments), types), -1, dtype=np.intp)
    for rank, fragment in enumerate(fragments):
        for kind, place in fragment.items():
            xy[kind, rank], people[rank, kind] = place[:2], rank
            responses[kind, rank] = (place[2] if len(place) == 3 else 1) * (1 - rank / 1000)  # no two are equal
    return people, xy, responses


def join(*fragments, reach=0.8, limbs=CHAIN):
    """Return the joined people as sets of (type, rank)."""
    people = join_fragments(*people_of(*fragments), limbs, reach)
    return {frozenset((kind, int(rank)) for kind, rank in enumerate(person) if rank >= 0) for person in people}


ARM = {0: (0.0, 0.0), 1: (10.0, 0.0)}


@pytest.mark.parametrize(("x", "joins"), [(24.1, False), (23.9, True), (8, True), (-5.9, True), (-6.1, False)])
def test_a_keypoint_two_limbs_away_joins_within_reach(x, joins):
    # Type 3 is 2 limbs from type 1 and 3 from type 0; the only limb seen is 10 px long: at most 16 and 24 px.
    assert len(join(ARM, {3: (x, 0)})) == (1 if joins else 2)


def test_reach_counts_limbs_from_every_keypoint():
    assert len(join(ARM, {2: (10 + 8.1, 0)})) == 2  # within reach of type 0, beyond that of type 1
    assert len(join(ARM, {2: (10 + 5.9, 0)})) == 1


def test_the_nearer_body_gets_the_keypoint():
    far = {0: (0.0, 6.0), 1: (10.0, 6.0)}
    assert join(ARM, far, {3: (15, 1)}) == {frozenset({(0, 0), (1, 0), (3, 2)}), frozenset({(0, 1), (1, 1)})}


def test_fragments_with_a_type_in_common_stay_apart():
    assert len(join(ARM, {1: (11, 0), 2: (20, 0)})) == 2


def test_single_keypoints_do_not_join_each_other_but_one_body():
    assert len(join({1: (0, 0)}, {2: (1, 0)})) == 2
    assert len(join({1: (9, 1)}, {2: (10, 1)}, {3: (10, 3), 4: (20, 3)})) == 1


def test_the_surer_keypoint_joins_though_it_fits_less_well():
    near, far = (15, 0), (20, 0)  # 1/4 and 1/2 of what the limbs span
    assert join(ARM, {3: (*near, 1.0)}, {3: (*far, 1.0)}) == {frozenset({(0, 0), (1, 0), (3, 1)}), frozenset({(3, 2)})}
    assert join(ARM, {3: (*near, 0.6)}, {3: (*far, 1.0)}) == {frozenset({(0, 0), (1, 0), (3, 2)}), frozenset({(3, 1)})}


def test_a_faint_keypoint_gives_way_to_a_surer_one_of_what_joins():
    body = {**ARM, 3: (12, 0, 0.19)}
    hand = {3: (16, 0), 4: (22, 0)}
    assert join(body, hand) == {frozenset({(0, 0), (1, 0), (3, 1), (4, 1)}), frozenset({(3, 0)})}
    assert len(join({**body, 3: (12, 0, 0.21)}, hand)) == 2  # not faint: it keeps them apart, and both stay whole


def test_a_faint_keypoint_in_nobodys_way_stays():
    body = {**ARM, 2: (99, 99, 0.1)}  # nor does its place keep the hand away
    assert join(body, {3: (16, 0), 4: (22, 0)}) == {frozenset({(0, 0), (1, 0), (2, 0), (3, 1), (4, 1)})}


def test_of_two_faint_keypoints_the_brighter_stays():
    body, hand = {**ARM, 2: (12, 0, 0.1)}, {2: (14, 0, 0.15), 3: (16, 0), 4: (22, 0)}
    assert join(body, hand) == {frozenset({(0, 0), (1, 0), (2, 1), (3, 1), (4, 1)}), frozenset({(2, 0)})}


def test_types_that_no_limb_connects_stay_apart():
    assert len(join(ARM, {2: (10, 0), 3: (10, 1)}, limbs=[(0, 1), (2, 3)])) == 2


def test_one_or_nobody():
    assert len(join(ARM)) == 1
    nobody = np.zeros((0, 5), dtype=np.intp)
    assert len(join_fragments(nobody, np.zeros((5, 0, 2)), np.zeros((5, 0)), CHAIN, 0.8)) == 0


@st.composite
def fragments(draw):
    """Fragments of types 0 to 4 at whole pixels, so that ties and coincident keypoints happen."""
    place = st.tuples(st.integers(0, 30), st.integers(0, 30), st.sampled_from([0.05, 0.1, 0.5, 1.0]))
    return draw(st.lists(st.dictionaries(st.integers(0, 4), place, min_size=1), min_size=1, max_size=6))


@settings(max_examples=150, deadline=None)
@given(fragments(), st.randoms(use_true_random=False))
def test_order_changes_nothing_and_no_keypoint_is_lost_or_shared(pieces, random):
    people, xy, responses = people_of(*pieces, {4: (500, 500)})
    joined = join_fragments(people, xy, responses, CHAIN, 0.8)
    for kind in range(5):
        assert sorted(joined[:, kind][joined[:, kind] >= 0]) == sorted(people[:, kind][people[:, kind] >= 0])
    order = list(range(len(people)))
    random.shuffle(order)
    assert sorted(join_fragments(people[order], xy, responses, CHAIN, 0.8).tolist()) == sorted(joined.tolist())
    mirrored = xy * np.array([-1, 1], np.float32)
    assert sorted(join_fragments(people, mirrored, responses, CHAIN, 0.8).tolist()) == sorted(joined.tolist())
