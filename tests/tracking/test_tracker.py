"""Track ids: hand-computed cases, properties, the assignment against brute force, and a video with known ids."""

import itertools
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tracked import SHAPE, SKELETON, K, identity_switches, ids, poses_at, video

from gog_pose.errors import InputError
from gog_pose.poses import Poses
from gog_pose.tracking import OneEuro, Tracker


def test_first_people_are_numbered_from_1_in_the_order_of_their_scores():
    assert ids(Tracker(SKELETON), poses_at((0, 0), (300, 0), scores=[0.5, 0.9]), 0.0) == [2, 1]


def test_a_missed_person_keeps_the_id_until_the_gap_ends():
    tracker = Tracker(SKELETON, max_gap=1.0)
    for frame in range(3):  # 100 px per second
        assert ids(tracker, poses_at((10.0 * frame, 0)), frame / 10) == [1]
    for frame in range(3, 12):
        assert ids(tracker, poses_at(), frame / 10) == []
    # Standing still would put the person 100 px away, at constant velocity (75 px per second by now) 25 px.
    assert ids(tracker, poses_at((95, 0)), 1.2) == [1]
    assert ids(tracker, poses_at((95, 0)), 2.3) == [2]


def test_people_who_cross_keep_their_ids():
    tracker = Tracker(SKELETON)
    for frame in range(21):
        x = 10.0 * frame
        assert ids(tracker, poses_at((x, 0), (200 - x, 4)), frame / 25) == [1, 2]


def test_a_far_person_is_another_one_and_ids_are_never_reused():
    tracker = Tracker(SKELETON)
    assert ids(tracker, poses_at((0, 0)), 0.0) == [1]
    assert ids(tracker, poses_at((500, 0)), 0.1) == [2]
    assert ids(tracker, poses_at(), 5.0) == []
    assert ids(tracker, poses_at((0, 0)), 5.1) == [3]


def test_a_low_score_continues_a_track_but_starts_none():
    tracker = Tracker(SKELETON, high_score=0.3)
    assert ids(tracker, poses_at((0, 0), scores=[0.2]), 0.0) == [0]
    assert ids(tracker, poses_at((0, 0), scores=[0.4]), 0.1) == [1]
    assert ids(tracker, poses_at((0, 0), scores=[0.2]), 0.2) == [1]
    assert ids(tracker, poses_at((0, 0), scores=[0.05]), 0.3) == [0]


def test_a_faint_duplicate_never_takes_the_id_of_a_person():
    """In one assignment the duplicate, which lies nearer to the expected position, would win."""
    tracker = Tracker(SKELETON)
    assert ids(tracker, poses_at((0, 0), scores=[0.9]), 0.0) == [1]
    assert ids(tracker, poses_at((6, 0), (0, 0), scores=[0.9, 0.2]), 0.04) == [1, 0]
    two = poses_at((6, 0), (300, 0), scores=[0.9, 0.8])
    assert ids(tracker, two, 0.08) == [1, 2]
    # A person who is found faintly continues the track that is left.
    assert ids(tracker, poses_at((6, 0), (300, 0), scores=[0.9, 0.2]), 0.12) == [1, 2]


def test_similarity_is_oks():
    """A shift of d px gives exp(-d^2 / (2 area (2 sigma)^2)) for each keypoint, by COCO's definition."""
    tracker = Tracker(SKELETON)
    tracker.update(poses_at((0, 0)), 0.0)
    sides = np.ptp(SHAPE, axis=0)
    area = sides.max() * max(sides.min(), sides.max() / 3)
    variances = (2 * np.array(SKELETON.oks_sigmas)) ** 2
    wanted = np.exp(-(7.0**2) / (2 * area * variances)).mean()
    assert tracker._similarity(poses_at((7, 0)).keypoints, 0.04)[0, 0] == pytest.approx(wanted, rel=1e-4)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.permutations(range(5)))
def test_the_order_of_the_people_does_not_matter(seed, order):
    rng = np.random.default_rng(seed)
    first, second, order = Tracker(SKELETON), Tracker(SKELETON), list(order)
    centers = rng.uniform(0, 300, (5, 2))
    for frame in range(6):
        centers = centers + rng.normal(0, 8, (5, 2))
        poses = poses_at(*centers, scores=rng.uniform(0.2, 1, 5))
        moved = Poses(poses.keypoints[order], poses.scores[order])
        assert ids(second, moved, frame / 25) == [ids_ for ids_ in np.array(ids(first, poses, frame / 25))[order]]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_ids_are_unique_in_a_frame_and_new_ones_larger_than_all_before(seed):
    rng = np.random.default_rng(seed)
    tracker, seen = Tracker(SKELETON, max_gap=0.1), set()
    for frame in range(12):
        found = ids(tracker, poses_at(*rng.uniform(0, 400, (rng.integers(0, 5), 2))), frame / 25)
        assert len(set(found)) == len(found)
        fresh = set(found) - seen
        assert not fresh or min(fresh) > max(seen, default=0)
        seen |= fresh


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 4))
def test_assignment_has_the_largest_sum_of_all(seed, before, after):
    rng = np.random.default_rng(seed)
    tracker = Tracker(SKELETON, min_oks=0.2, camera_motion=False)
    known = ids(tracker, poses_at(*rng.uniform(0, 60, (before, 2))), 0.0)
    poses = poses_at(*rng.uniform(0, 60, (after, 2)))
    similarity = tracker._similarity(poses.keypoints, 0.04)
    weights = np.where(similarity >= 0.2, similarity, 0)
    rows = {track.number: row for row, track in enumerate(tracker._tracks)}
    found = ids(tracker, poses, 0.04)
    reached = sum(weights[rows[number], person] for person, number in enumerate(found) if number in known)
    slots = [*range(before), *[None] * after]
    best = max(
        sum(weights[row, person] for person, row in enumerate(rows_) if row is not None)
        for rows_ in set(itertools.permutations(slots, after))
    )
    assert reached == pytest.approx(best)


def test_smoothing_removes_jitter_and_follows_motion():
    rng = np.random.default_rng(0)
    noisy, smooth = [], []
    tracker = Tracker(SKELETON, smooth=OneEuro())
    for frame in range(100):
        poses = poses_at((0.0, 0.0))
        poses.keypoints[..., :2] += rng.normal(0, 1.5, (1, K, 2))
        noisy.append(poses.keypoints[0, :, :2])
        smooth.append(tracker.update(poses, frame / 25).keypoints[0, :, :2])
    assert np.std(smooth[20:], axis=0).mean() < 0.6 * np.std(noisy[20:], axis=0).mean()


def test_one_euro_step_by_hand():
    """Without speed gain it is exponential smoothing with weight t / (t + 1), t = 2 pi cutoff elapsed."""
    points, last = np.array([[10.0, 0.0]]), np.zeros((1, 2))
    moved, speed = OneEuro(1.0, 0.0, 1.0).step(points, last, np.zeros((1, 2)), 1 / (2 * np.pi), 50.0)
    np.testing.assert_allclose(moved, [[5, 0]])
    np.testing.assert_allclose(speed, [[0.5 * 10 * 2 * np.pi, 0]])


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (partial(Tracker, SKELETON, min_oks=0), "tracking.min_oks"),
        (partial(Tracker, SKELETON, max_gap=-1), "tracking.max_gap"),
        (partial(Tracker, SKELETON, high_score=0.2, low_score=0.3), "tracking.low_score"),
        (partial(OneEuro, min_cutoff=0), "one_euro.min_cutoff"),
    ],
)
def test_values_out_of_range_are_refused(make, field):
    with pytest.raises(InputError, match=field):
        make()


def test_frames_must_come_in_order():
    tracker = Tracker(SKELETON)
    tracker.update(poses_at(), 1.0)
    with pytest.raises(ValueError, match="order"):
        tracker.update(poses_at(), 1.0)


def test_a_synthetic_video_has_few_identity_switches():
    results = [identity_switches(Tracker(SKELETON), video(seed)) for seed in range(4)]
    assert sum(seen for _, seen in results) > 5000
    assert sum(switches for switches, _ in results) <= 5
