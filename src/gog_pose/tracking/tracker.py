"""Tracking of people from frame to frame by object keypoint similarity (OKS) to their expected poses."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from gog_pose.errors import InputError
from gog_pose.poses import Poses
from gog_pose.skeleton import Skeleton
from gog_pose.tracking.smoothing import OneEuro

_MEMORY = 0.5  # weight of a new velocity: the mean with the old one reduces noise


@dataclass
class _Track:
    """A person who was detected in earlier frames.

    Attributes:
        number: The track id.
        points: ``(K, 2)`` px, last detected position of each keypoint.
        stamps: ``(K,)`` s, time of that position; NaN for a keypoint without one.
        velocity: ``(2,)`` px per second, of the person as a whole.
        time: Time of the last detection of the person, s.
        size: Square root of the area of the person's box, px.
        smooth: ``(K, 2)`` px and ``(K, 2)`` px per second, state of the One-Euro filter.
    """

    number: int
    points: np.ndarray
    stamps: np.ndarray
    velocity: np.ndarray
    time: float
    size: float
    smooth: tuple[np.ndarray, np.ndarray]

    def expected(self, time: float) -> np.ndarray:
        """Return ``(K, 2)`` px: the keypoints extrapolated at constant velocity; NaN where ``stamps`` is NaN."""
        return self.points + self.velocity * (time - self.stamps)[:, None]


class Tracker:
    """Assigns ids to the people of one video that stay the same from frame to frame.

    The pose of each track is extrapolated at constant velocity. The people of a frame are then assigned to tracks in
    two rounds (ByteTrack: Zhang et al., ECCV 2022): people with a high score first, then people with a low score to the
    remaining tracks. A duplicate detection with a low score thus never takes the id from the better detection. Each
    round maximizes the sum of the OKS. Ids start at 1 and are never reused. The order of the people in ``poses`` does
    not affect the assignment.

    Args:
        skeleton: Its OKS sigmas state how precisely each keypoint is located.
        min_oks: Least OKS of a person and the expected pose of a track.
        max_gap: Longest time without a detection after which a track continues, s.
        high_score: People with at least this score are assigned first; people with a lower score start no track.
        low_score: People with a lower score get no id.
        smooth: Filter of the keypoints; None = no smoothing.

    Raises:
        InputError: A value is out of range.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        *,
        min_oks: float = 0.2,
        max_gap: float = 1.0,
        high_score: float = 0.25,
        low_score: float = 0.1,
        smooth: OneEuro | None = None,
    ) -> None:
        if not 0 < min_oks < 1:
            raise InputError(f"tracking.min_oks: must lie between 0 and 1, got {min_oks}")
        if not 0 <= max_gap < np.inf:
            raise InputError(f"tracking.max_gap: must be a number of seconds of at least 0, got {max_gap}")
        if low_score > high_score:
            raise InputError(f"tracking.low_score: must be at most tracking.high_score ({high_score}), got {low_score}")
        self._variances = (2 * np.asarray(skeleton.oks_sigmas)) ** 2
        self._min_oks = min_oks
        self._max_gap = max_gap
        self._high_score = high_score
        self._low_score = low_score
        self._smooth = smooth
        self._tracks: list[_Track] = []
        self._next = 1
        self._time = -np.inf

    def update(self, poses: Poses, time: float) -> Poses:
        """Assign ids to the people of the next frame.

        Args:
            poses: The people, in px of a frame whose size does not change.
            time: Time of the frame, s; later than that of the previous frame.

        Returns:
            The same people in the same order with ``track_ids``, 0 for a person without a track, and with smoothed
            keypoints if the tracker has a filter.

        Raises:
            ValueError: The time is not later than that of the previous frame.
        """
        if not time > self._time:
            raise ValueError(f"frames must come in the order of their times, got {time} s after {self._time} s")
        self._time = time
        self._tracks = [track for track in self._tracks if time - track.time <= self._max_gap]
        similarity = self._similarity(poses, time)
        # Pairs below ``min_oks`` have weight 0, so that they never replace a pair above it.
        weights = np.where(similarity >= self._min_oks, similarity, 0.0)
        ids = np.zeros(len(poses), np.int64)
        keypoints = poses.keypoints.copy()
        high = poses.scores >= self._high_score
        rest = np.arange(len(self._tracks))
        for people in np.flatnonzero(high), np.flatnonzero(~high & (poses.scores >= self._low_score)):
            pairs = _pairs(weights, rest, people)
            for row, person in pairs:
                ids[person] = self._tracks[row].number
                keypoints[person] = self._continue(self._tracks[row], keypoints[person], time)
            rest = np.setdiff1d(rest, [row for row, _ in pairs])
        for person in self._newcomers(poses, ids):
            ids[person] = self._start(keypoints[person], time)
        return replace(poses, keypoints=keypoints, track_ids=ids)

    def _similarity(self, poses: Poses, time: float) -> np.ndarray:
        """Return ``(tracks, N)`` OKS over the keypoints that track and person have in common; 0 if there are none.

        The sum is divided by the smaller of their two numbers of keypoints, so that a single common keypoint of many
        gives a low OKS.
        """
        found = poses.keypoints[..., 2] > 0
        similarity = np.zeros((len(self._tracks), len(poses)))
        for row, track in enumerate(self._tracks):
            known = np.isfinite(track.stamps)
            common = known & found
            distances = ((poses.keypoints[..., :2] - np.nan_to_num(track.expected(time))) ** 2).sum(axis=-1)
            values = np.exp(-distances / (2 * track.size**2 * self._variances)) * common
            similarity[row] = values.sum(axis=1) / np.maximum(np.minimum(known.sum(), found.sum(axis=1)), 1)
        return similarity

    def _newcomers(self, poses: Poses, ids: np.ndarray) -> list[int]:
        """Return the people to start tracks for, in an order that does not depend on their order in ``poses``."""
        found = (poses.keypoints[..., 2] > 0).any(axis=1)
        fresh = np.flatnonzero((ids == 0) & found & (poses.scores >= self._high_score))
        return sorted(fresh.tolist(), key=lambda person: (-poses.scores[person], *poses.keypoints[person].ravel()))

    def _start(self, person: np.ndarray, time: float) -> int:
        found = person[:, 2] > 0
        points = person[:, :2].astype(float)
        stamps = np.where(found, time, np.nan)
        still = np.zeros_like(points)
        self._tracks.append(
            _Track(self._next, points, stamps, np.zeros(2), time, _size(points[found]), (points.copy(), still))
        )
        self._next += 1
        return self._next - 1

    def _continue(self, track: _Track, person: np.ndarray, time: float) -> np.ndarray:
        """Update a track with the person in this frame; return the keypoints to report, ``(K, 3)``."""
        found, points = person[:, 2] > 0, person[:, :2].astype(float)
        reported = self._smoothed(track, person, time) if self._smooth else person
        both = found & (track.stamps == track.time)
        if both.any():
            moved = np.median(points[both] - track.points[both], axis=0) / (time - track.time)
            track.velocity = track.velocity + _MEMORY * (moved - track.velocity)
        track.points[found] = points[found]
        track.stamps[found] = time
        # Positions older than ``max_gap`` are no evidence of the pose.
        track.stamps[time - np.nan_to_num(track.stamps, nan=-np.inf) > self._max_gap] = np.nan
        track.size = max(_size(points[found]), 0.9 * track.size)  # the size of a half hidden person shrinks slowly
        track.time = time
        return reported

    def _smoothed(self, track: _Track, person: np.ndarray, time: float) -> np.ndarray:
        assert self._smooth is not None
        found, (last, speed) = person[:, 2] > 0, track.smooth
        points = np.where(found[:, None], person[:, :2], last)
        known = found & (track.stamps == track.time)
        moved, faster = self._smooth.step(points, last, speed, time - track.time, track.size)
        track.smooth = np.where(known[:, None], moved, points), np.where(known[:, None], faster, 0.0)
        reported: np.ndarray = person.copy()
        reported[found, :2] = track.smooth[0][found]
        return reported


def _pairs(weights: np.ndarray, rows: np.ndarray, people: np.ndarray) -> list[tuple[int, int]]:
    """Return the pairs of some rows and columns with the largest sum of weights; pairs of weight 0 are left out."""
    chosen = linear_sum_assignment(weights[np.ix_(rows, people)], maximize=True)
    pairs = [(int(rows[row]), int(people[column])) for row, column in zip(*chosen, strict=True)]
    return [pair for pair in pairs if weights[pair] > 0]


def _size(points: np.ndarray) -> float:
    """Return the square root of the area of the box of points, px, with a short side of at least 1/3 of the long."""
    sides = np.ptp(points, axis=0)
    sides = np.maximum(sides, sides.max() / 3)
    return max(float(np.sqrt(sides.prod())), 1.0)
