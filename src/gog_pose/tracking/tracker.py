"""Tracking of people from frame to frame by object keypoint similarity (OKS) to their expected poses."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gog_pose.errors import InputError
from gog_pose.poses import Poses
from gog_pose.skeleton import Skeleton
from gog_pose.tracking.camera import Frame, camera_displacement
from gog_pose.tracking.matching import assigned, similarity
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

    def displace(self, shift: np.ndarray, common: np.ndarray, time: float) -> None:
        """Convert the past to the coordinates of a frame that the camera displaced.

        Afterwards ``expected(time)`` is larger by ``shift``, and the velocities are relative to ``common``.

        Args:
            shift: ``(2,)`` px, displacement that the velocities do not predict.
            common: ``(2,)`` px per second, the part of the velocities that all people share.
            time: Time of the frame, s.
        """
        self.points = self.points + shift + common * np.nan_to_num(time - self.stamps)[:, None]
        self.velocity = self.velocity - common
        last, speed = self.smooth
        self.smooth = last + shift + common * (time - self.time), speed - common


class Tracker:
    """Assigns ids to the people of one video that stay the same from frame to frame.

    The pose of each track is extrapolated at constant velocity. The people of a frame are then assigned to tracks in
    two rounds (ByteTrack: Zhang et al., ECCV 2022): people with a high score first, then people with a low score to the
    remaining tracks. A duplicate detection with a low score thus never takes the id from the better detection. Each
    round maximizes the sum of the OKS. Ids start at 1 and are never reused. The order of the people in ``poses`` does
    not affect the assignment.

    When the camera starts or stops turning, all people are displaced by a vector that constant velocity does not
    predict. With ``camera_motion``, this vector is estimated from the poses before the assignment
    (``tracking/camera.py``). All tracks, also those of people who are not detected, are then converted to the
    coordinates of the new frame, and their velocities become relative to the camera. In frames without camera motion
    the option changes nothing.

    Args:
        skeleton: Its OKS sigmas state how precisely each keypoint is located.
        min_oks: Least OKS of a person and the expected pose of a track.
        max_gap: Longest time without a detection after which a track continues, s.
        high_score: People with at least this score are assigned first; people with a lower score start no track.
        low_score: People with a lower score get no id.
        camera_motion: Compensate displacements that all people share.
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
        camera_motion: bool = True,
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
        self._camera_motion = camera_motion
        self._smooth = smooth
        self._tracks: list[_Track] = []
        self._next = 1
        self._time = -np.inf
        self._camera = np.zeros(2)  # px per second, displacement of all people by the camera

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
        elapsed, self._time = time - self._time, time
        self._tracks = [track for track in self._tracks if time - track.time <= self._max_gap]
        high = poses.scores >= self._high_score
        if self._camera_motion and self._tracks:
            self._compensate(poses.keypoints[high], time, elapsed)
        oks = self._similarity(poses.keypoints, time)
        # Pairs below ``min_oks`` have weight 0, so that they never replace a pair above it.
        weights = np.where(oks >= self._min_oks, oks, 0.0)
        ids = np.zeros(len(poses), np.int64)
        keypoints = poses.keypoints.copy()
        rest = np.arange(len(self._tracks))
        for people in np.flatnonzero(high), np.flatnonzero(~high & (poses.scores >= self._low_score)):
            rows, columns = assigned(weights[np.ix_(rest, people)])
            for row, person in zip(rest[rows], people[columns], strict=True):
                ids[person] = self._tracks[row].number
                keypoints[person] = self._continue(self._tracks[row], keypoints[person], time)
            rest = np.delete(rest, rows)
        for person in self._newcomers(poses, ids):
            ids[person] = self._start(keypoints[person], time)
        return replace(poses, keypoints=keypoints, track_ids=ids)

    def _compensate(self, keypoints: np.ndarray, time: float, elapsed: float) -> None:
        """Displace the tracks by the camera motion since the previous frame, as people ``(N, K, 3)`` px show it."""
        frame = Frame(*self._expected(time), keypoints, self._variances, self._min_oks)
        shift = camera_displacement(frame, self._camera * elapsed)
        if not shift.any():
            self._camera = np.zeros(2)
            return
        latest = max(track.time for track in self._tracks)
        common = np.median([track.velocity for track in self._tracks if track.time == latest], axis=0)
        self._camera = shift / elapsed + common
        for track in self._tracks:
            track.displace(shift, common, time)

    def _expected(self, time: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the expected poses of all tracks, ``(T, K, 2)`` px, and their sizes, ``(T,)`` px."""
        poses = np.array([track.expected(time) for track in self._tracks]).reshape(-1, len(self._variances), 2)
        return poses, np.array([track.size for track in self._tracks])

    def _similarity(self, keypoints: np.ndarray, time: float) -> np.ndarray:
        """Return ``(T, N)`` OKS of all tracks and people ``(N, K, 3)`` px."""
        return similarity(*self._expected(time), keypoints, self._variances)

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


def _size(points: np.ndarray) -> float:
    """Return the square root of the area of the box of points, px, with a short side of at least 1/3 of the long."""
    sides = np.ptp(points, axis=0)
    sides = np.maximum(sides, sides.max() / 3)
    return max(float(np.sqrt(sides.prod())), 1.0)
