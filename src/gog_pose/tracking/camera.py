"""Camera motion between two frames, estimated from the poses: one displacement that all people share.

Each pair of a tracked and a detected person with similar poses proposes a displacement. The displacements with the most
proposals are tried, and the one with the largest sum of OKS over a one-to-one assignment is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import cKDTree

from gog_pose.tracking.matching import assigned, similarity

_FIT = 0.5  # least OKS of a person with a displaced pose that counts as support
_GAIN = 0.25  # least gain in OKS over no displacement
_TIE = 0.5  # sums of OKS that differ by at most half a person are equal; the smaller displacement wins
_RADIUS = 0.2  # radius of a neighborhood of proposals, in median sizes of the people
_TRIALS = 8  # displacements that are tried, at most


@dataclass(frozen=True)
class Frame:
    """The expected and the detected people of one frame.

    Attributes:
        expected: ``(T, K, 2)`` px, expected poses of the tracked people; NaN = unknown keypoint.
        sizes: ``(T,)`` px, square roots of the areas of the tracked people.
        keypoints: ``(N, K, 3)`` px, the detected people as ``x, y, response``; a response of 0 means not found.
        variances: ``(K,)`` squares of twice the OKS sigmas.
        min_oks: Least OKS of a person and a track.
    """

    expected: np.ndarray
    sizes: np.ndarray
    keypoints: np.ndarray
    variances: np.ndarray
    min_oks: float

    def displaced(self, shift: np.ndarray) -> Frame:
        """Return the frame with expected poses that are moved by a shift ``(2,)`` px."""
        return replace(self, expected=self.expected + shift)

    def fit(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the tracks and people of the best assignment, and the OKS ``(N,)`` of each person; 0 = no track."""
        oks = similarity(self.expected, self.sizes, self.keypoints, self.variances)
        tracks, people = assigned(np.where(oks >= self.min_oks, oks, 0.0))
        reached = np.zeros(len(self.keypoints))
        reached[people] = oks[tracks, people]
        return tracks, people, reached

    def moves(self) -> np.ndarray:
        """Return ``(T, N, 2)`` px: the median displacement of the common keypoints of each pair; NaN if none."""
        common = np.isfinite(self.expected[:, None, :, 0]) & (self.keypoints[..., 2] > 0)
        moves = np.where(common[..., None], self.keypoints[..., :2] - self.expected[:, None], np.nan)
        moves.sort(axis=2)  # NaN last
        count = common.sum(axis=2)[..., None, None]
        middle = [np.take_along_axis(moves, np.maximum(place, 0), axis=2) for place in ((count - 1) // 2, count // 2)]
        median: np.ndarray = (middle[0] + middle[1])[:, :, 0] / 2
        return median


def camera_displacement(frame: Frame, last: np.ndarray) -> np.ndarray:
    """Estimate the displacement of all people by the camera.

    The camera is taken to move on as before, or to have stopped if the people fit better then. A displacement that all
    people share (``common_displacement``) is added. While the camera moves on, so is the median displacement of at
    least two people who fit, because a camera that is already moving needs no further evidence.

    Args:
        frame: The people.
        last: ``(2,)`` px, displacement if the camera moves on as before; 0 if it did not move.

    Returns:
        ``(2,)`` px to add to the expected poses; 0 if the camera does not move.
    """
    going = frame.displaced(last)
    if last.any() and going.fit()[-1].sum() < frame.fit()[-1].sum():
        going, last = frame, np.zeros(2)
    shift = common_displacement(going)
    if shift is None and last.any():
        shift = _median_move(going, 2)
    return last if shift is None else last + shift


def common_displacement(frame: Frame) -> np.ndarray | None:
    """Estimate the displacement between the expected and the detected poses that all people share.

    A person supports a displacement if the OKS with it is at least 0.5, and larger by at least 0.25 than without a
    displacement. The number of people is that of the tracked or of the detected people, whichever is smaller. A
    displacement is used only if

    - fewer than half of the people have an OKS of at least 0.75 without it,
    - the people who support it outnumber the other people by at least two,
    - they also outnumber the people who fit a track without it and do not support it.

    One person who moves, people who stand still while others leave and enter, and a new scene thus give none. If two
    displacements fit equally well, as in a row of people at equal distances, the smaller one is used.

    The time grows with the number of pairs of tracked and detected people. The assignment is computed at most eleven
    times.

    Args:
        frame: The people.

    Returns:
        ``(2,)`` px to add to the expected poses, or None if the people share no displacement.
    """
    fewer = min(len(frame.expected), len(frame.keypoints))
    if fewer < 2:
        return None
    still = frame.fit()[-1]
    if 2 * np.count_nonzero(still >= 1 - _GAIN) >= fewer:
        return None
    moves = frame.moves()
    poses = frame.expected[:, None] + moves[:, :, None]
    alike = similarity(poses, frame.sizes, frame.keypoints, frame.variances) >= _FIT
    trials = [(float(frame.displaced(shift).fit()[-1].sum()), shift) for shift in _modes(moves[alike], frame.sizes)]
    if not trials:
        return None
    enough = max(total for total, _ in trials) - _TIE
    shift = min((shift for total, shift in trials if total >= enough), key=lambda shift: (np.hypot(*shift), *shift))
    finer = _median_move(frame.displaced(shift), 1)
    if finer is not None:
        shift = shift + finer
    reached = frame.displaced(shift).fit()[-1]
    support = (reached >= _FIT) & (reached >= still + _GAIN)
    against = (still > 0) & ~support
    votes = np.count_nonzero(support)
    return shift if 2 * votes >= fewer + 2 and votes > np.count_nonzero(against) else None


def _median_move(frame: Frame, least: int) -> np.ndarray | None:
    """Return the median displacement ``(2,)`` px of the assigned people, None if they are fewer than ``least``."""
    tracks, people, _ = frame.fit()
    moves: np.ndarray = frame.moves()[tracks, people]
    return np.median(moves, axis=0) if len(moves) >= least else None


def _modes(proposals: np.ndarray, sizes: np.ndarray) -> list[np.ndarray]:
    """Return the displacements with the most of the proposals ``(P, 2)`` px nearby, at most one per neighborhood.

    Displacements with equally many are sorted by length, so that the order of the proposals does not matter.
    """
    if not len(proposals):
        return []
    radius = _RADIUS * float(np.median(sizes))
    near = cKDTree(proposals).query_ball_point(proposals, radius, return_length=True)
    rest = proposals[np.lexsort((proposals[:, 1], proposals[:, 0], np.hypot(*proposals.T), -near))]
    modes: list[np.ndarray] = []
    while len(rest) and len(modes) < _TRIALS:
        modes.append(rest[0])
        rest = rest[np.hypot(*(rest - rest[0]).T) > radius]
    return modes
