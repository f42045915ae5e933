"""Camera motion: hand-computed displacements, cases without one, ids and velocities during and after a pan."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tracked import SHAPE, SKELETON, WIDTH, K, identity_switches, ids, poses_at, video

from gog_pose.poses import Poses
from gog_pose.tracking import OneEuro, Tracker
from gog_pose.tracking.camera import Frame, camera_displacement, common_displacement

VARIANCES = (2 * np.array(SKELETON.oks_sigmas)) ** 2
SIZE = 63.0  # px
APART = [(0, 0), (100, 0), (400, 0), (900, 0), (1100, 0)]  # px; all distances between two of them differ
ROW = [(100 * place, 0) for place in range(6)]  # px


def frame_of(before, after):
    """Return a frame of people who are expected and detected at ``(x, y)`` centers."""
    expected = SHAPE + np.reshape(before, (-1, 1, 2)).astype(float)
    return Frame(expected, np.full(len(before), SIZE), poses_at(*after).keypoints, VARIANCES, 0.2)


def moved(centers, shift):
    return [tuple(np.add(center, shift)) for center in centers]


@settings(max_examples=60, deadline=None)
@given(st.tuples(st.floats(-1500, 1500), st.floats(-1500, 1500)), st.permutations(range(5)))
def test_a_displacement_of_all_people_is_found(shift, order):
    found = common_displacement(frame_of(APART, moved([APART[place] for place in order], shift)))
    if np.hypot(*shift) > 30 or found is not None:
        np.testing.assert_allclose(found, shift, atol=1e-3)
    if np.hypot(*shift) < 3:
        assert found is None


def test_the_displacement_is_the_median_of_people_who_also_walk():
    walks = [(-3, 1), (0, 2), (1, -1), (2, 0), (4, -4)]
    after = [np.add(center, np.add((80, -30), walk)) for center, walk in zip(APART, walks, strict=True)]
    np.testing.assert_allclose(common_displacement(frame_of(APART, after)), [81, -30], atol=1e-3)


def test_missing_and_false_people_do_not_matter():
    after = [*moved(APART[:4], (80, 30)), (650, 200)]
    np.testing.assert_allclose(common_displacement(frame_of(APART, after)), [80, 30], atol=1e-3)


def test_two_people_suffice_and_one_does_not():
    np.testing.assert_allclose(common_displacement(frame_of(APART[:2], moved(APART[:2], (60, 0)))), [60, 0], atol=1e-3)
    for before, after in ((1, 1), (2, 1), (1, 2), (0, 2), (2, 0)):
        assert common_displacement(frame_of(APART[:before], moved(APART[:after], (60, 0)))) is None


def test_the_smaller_of_two_equal_displacements_is_used():
    """The first five people of a row by 60 px to the right, or the last five by 40 px to the left."""
    found = common_displacement(frame_of(ROW, moved(ROW[:5], (60, 0))))
    np.testing.assert_allclose(found, [-40, 0], atol=1e-3)
    found = common_displacement(frame_of(ROW, moved(ROW, (60, 0))))  # six people against five
    np.testing.assert_allclose(found, [60, 0], atol=1e-3)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (ROW, moved(ROW, (100, 0))),  # the first one left, another one entered at the other end
        (ROW[:2], ROW[1:3]),
        (ROW[:4], ROW[2:]),
        (APART, [(0, 300), (250, 300), (600, 300), (1040, 300), (1500, 300)]),  # a new scene
        (APART[:3], [(30, 0), (70, 0), (400, 40)]),  # each one walked in another direction
        (APART[:3], [*moved(APART[:2], (60, 0)), (400, 0)]),  # two of three walked together
        (APART[:2], [(7, 0), (93, 0), *moved(APART[:2], (60, 0))]),  # two walked, two entered
        (APART[:4], [*APART[:2], *moved(APART[:4], (60, 0))]),  # half of the people stayed
    ],
    ids=["row", "two", "two_leave", "cut", "walks", "together", "two_enter", "half_stay"],
)
def test_people_who_walk_leave_and_enter_share_no_displacement(before, after):
    assert common_displacement(frame_of(before, after)) is None


def test_moves_are_medians_of_the_common_keypoints():
    rng = np.random.default_rng(0)
    expected, people = rng.uniform(0, 99, (3, K, 2)), rng.uniform(1, 99, (4, K, 3))
    expected[rng.random((3, K)) < 0.4] = np.nan
    people[rng.random((4, K)) < 0.4] = 0
    people[3] = 0
    found = Frame(expected, np.full(3, SIZE), people, VARIANCES, 0.2).moves()
    assert np.isnan(found[:, 3]).all()
    for track in range(3):
        for person in range(3):
            seen = people[person, :, 2] > 0
            wanted = np.nanmedian(people[person, seen, :2] - expected[track, seen], axis=0)
            np.testing.assert_allclose(found[track, person], wanted)


def test_a_moving_camera_moves_on_or_stops_even_with_one_person():
    last = np.array([80.0, 0.0])
    frame = frame_of(APART, moved(APART[:1], last))
    np.testing.assert_array_equal(camera_displacement(frame, last), last)
    frame = frame_of(APART, APART[:1])
    np.testing.assert_array_equal(camera_displacement(frame, last), [0, 0])
    frame = frame_of(APART, moved(APART, (84, 2)))  # slightly faster
    np.testing.assert_allclose(camera_displacement(frame, last), [84, 2], atol=1e-3)
    frame = frame_of(APART, moved(APART, (84, 2)))
    assert common_displacement(frame.displaced(last)) is None


def follow(tracker, centers, pans):
    """Return the ids in each frame of people at rest; ``pans`` are the positions of the camera, px."""
    return [ids(tracker, poses_at(*moved(centers, (x, 0))), number / 25) for number, x in enumerate(pans)]


def test_ids_and_velocities_are_right_during_and_after_a_pan():
    tracker = Tracker(SKELETON)
    pans = np.cumsum([0, 0, 60, 90, 120, 120, 120, 0, 0, -150, 0, 0])
    assert follow(tracker, APART, pans) == [[1, 2, 3, 4, 5]] * len(pans)
    for track in tracker._tracks:
        np.testing.assert_allclose(track.velocity, [0, 0], atol=1)
    follow(off := Tracker(SKELETON, camera_motion=False), APART, pans)
    assert off._next > 20


def test_the_stop_of_a_pan_that_began_slowly_leaves_no_velocity():
    """The velocities contain the pan of up to 45 px per frame, until all people stop at once."""
    tracker = Tracker(SKELETON)
    slow = np.cumsum([0, *range(0, 48, 3)])
    stopped = [*slow, *[slow[-1]] * 3]
    assert follow(tracker, APART, stopped) == [[1, 2, 3, 4, 5]] * len(stopped)
    for track in tracker._tracks:
        np.testing.assert_allclose(track.velocity, [0, 0], atol=1)
    assert not tracker._camera.any()


def test_a_pan_moves_people_out_of_sight_and_people_who_enter():
    tracker = Tracker(SKELETON)
    for frame in range(14):
        people = APART[:3] if frame in (0, 1) or frame > 8 else APART[:2]  # the third one is hidden for 7 frames
        people = [*people, (1500, 0)] if frame > 4 else people  # a fourth one enters during the pan
        found = ids(tracker, poses_at(*moved(people, (80 * frame, 0))), frame / 25)
        if frame > 1:
            wanted = {0: 1, 100: 2, 400: 3, 1500: 4}
            assert found == [wanted[x] for x, _ in people]


def test_a_pan_continues_with_one_person():
    tracker = Tracker(SKELETON)
    for frame in range(12):
        people = APART[:2] if frame < 4 or frame > 8 else APART[:1]
        assert ids(tracker, poses_at(*moved(people, (80 * max(frame - 1, 0), 0))), frame / 25) == [1, 2][: len(people)]


def test_one_person_who_jumps_gets_another_id():
    tracker = Tracker(SKELETON)
    assert follow(tracker, APART[:1], [0, 0, 80]) == [[1], [1], [2]]


def test_a_person_who_enters_never_gets_the_id_of_one_who_leaves():
    tracker = Tracker(SKELETON)
    assert ids(tracker, poses_at((0, 0), (100, 0)), 0.0) == [1, 2]
    assert ids(tracker, poses_at((100, 0), (200, 0)), 0.04) == [2, 3]
    assert ids(tracker, poses_at((200, 0)), 0.08) == [3]
    assert ids(tracker, poses_at((100, 0), (400, 0)), 0.12) == [2, 4]


def test_people_with_low_scores_give_no_displacement():
    scores = [0.2, 0.2]
    tracker = Tracker(SKELETON)
    assert ids(tracker, poses_at((0, 0), (200, 0)), 0.0) == [1, 2]
    assert ids(tracker, poses_at((60, 0), (260, 0), scores=scores), 0.04) == [0, 0]
    assert not tracker._camera.any()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.5, 3))
def test_displacing_tracks_adds_the_shift_and_keeps_the_motion_in_the_image(seed, ahead):
    """The velocity and the common velocity together stay the same, also for keypoints with older positions."""
    rng = np.random.default_rng(seed)
    tracker = Tracker(SKELETON, max_gap=9)
    for number in range(3):
        poses = poses_at(rng.normal(0, 0.5, 2))
        poses.keypoints[rng.random((1, K)) < 0.3] = 0
        tracker.update(poses, number / 25)
    (track,), shift, common = tracker._tracks, rng.normal(0, 50, 2), rng.normal(0, 50, 2)
    before, velocity = track.expected(ahead), track.velocity
    track.displace(shift, common, ahead)
    np.testing.assert_allclose(track.expected(ahead), before + shift)
    np.testing.assert_allclose(track.velocity + common, velocity)


def test_smoothed_keypoints_do_not_lag_behind_a_pan():
    tracker = Tracker(SKELETON, smooth=OneEuro())
    for number, x in enumerate([0, 0, 80, 160, 160]):
        poses = poses_at(*moved(APART, (x, 0)))
        found = tracker.update(poses, number / 25)
        np.testing.assert_allclose(found.keypoints, poses.keypoints, atol=1e-3)


@pytest.mark.parametrize("seed", range(4))
def test_ids_without_a_pan_do_not_change(seed):
    """People walk about, cross, are missed, leave and enter; the smoothed keypoints are the same, too."""
    smooth = OneEuro()
    on, off = Tracker(SKELETON, smooth=smooth), Tracker(SKELETON, smooth=smooth, camera_motion=False)
    frames = video(seed, num_people=2 + 2 * seed, num_frames=60, dropout=0.2, camera=lambda frame: [150 - frame / 2, 0])
    for _, poses, time in frames:
        inside = (poses.keypoints[..., 0].max(axis=1) < 600) & (poses.keypoints[..., 0].max(axis=1) > 200)
        seen = Poses(poses.keypoints[inside], poses.scores[inside])
        first, second = on.update(seen, time), off.update(seen, time)
        np.testing.assert_array_equal(first.track_ids, second.track_ids)
        np.testing.assert_array_equal(first.keypoints, second.keypoints)
    assert on._next > 2


@pytest.mark.parametrize("widths", [0.1, 0.3, 1, 2])
@pytest.mark.parametrize("num_people", [2, 5, 20])
def test_pans_cause_few_identity_switches(num_people, widths):
    """The camera is still for 10 frames, pans for 10, is still for 10 and pans back."""

    def camera(frame):
        phase, step = divmod(frame, 10)
        return [WIDTH * widths * (0, step + 1, 10, 9 - step)[phase % 4], 0]

    off, on = (
        identity_switches(
            Tracker(SKELETON, camera_motion=motion),
            video(1, num_people, 60, dropout=0.0 if num_people == 2 else 0.1, camera=camera),
        )
        for motion in (False, True)
    )
    assert on[1] == off[1] > 50 * num_people
    assert on[0] <= 0.01 * on[1]
    if widths >= 1:
        assert off[0] > 0.2 * off[1]
    else:
        assert on[0] <= off[0]
