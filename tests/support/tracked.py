"""People of one shape at known places, and videos of people with known ids."""

import numpy as np

from gog_pose.poses import Poses
from gog_pose.skeleton import load_skeleton

SKELETON = load_skeleton("coco_19")
K = SKELETON.num_keypoints
WIDTH = 40.0  # px, of a person
SHAPE = np.random.default_rng(0).uniform(-1, 1, (K, 2)) * [WIDTH / 2, 50]  # px, a person around 0


def poses_at(*centers, scores=None):
    """Return people of one shape at ``(x, y)`` centers."""
    keypoints = np.ones((len(centers), K, 3), np.float32)
    for person, center in enumerate(centers):
        keypoints[person, :, :2] = SHAPE + center
    scores = np.linspace(1, 0.5, len(centers)) if scores is None else scores
    return Poses(keypoints, np.asarray(scores, np.float32))


def ids(tracker, poses, time):
    """Return the ids of the people as a list."""
    return tracker.update(poses, time).track_ids.tolist()


def video(seed, num_people=6, num_frames=250, dropout=0.1, noise=2.0, camera=None):
    """Yield the numbers of the people present, their poses and the time, s; the people walk about and cross.

    ``camera`` returns the displacement of the image, px, for the number of a frame. The rate is 25 frames per second.
    """
    rng = np.random.default_rng(seed)
    centers, velocities = rng.uniform(0, 600, (num_people, 2)), rng.uniform(-80, 80, (num_people, 2))
    for frame in range(num_frames):
        centers = centers + velocities / 25
        velocities = np.where((centers < 0) | (centers > 600), -velocities, velocities)
        present = np.flatnonzero(rng.random(num_people) >= dropout)
        poses = poses_at(*centers[present])
        poses.keypoints[..., :2] += rng.normal(0, noise, poses.keypoints[..., :2].shape)
        if camera is not None:
            poses.keypoints[..., :2] += camera(frame)
        poses.keypoints[rng.random(poses.keypoints.shape[:2]) < 0.2] = 0
        yield present, poses, frame / 25


def identity_switches(tracker, frames):
    """Return the identity switches and the people seen in a video."""
    last, switches, seen = {}, 0, 0
    for present, poses, time in frames:
        for person, number in zip(present, ids(tracker, poses, time), strict=True):
            switches += last.get(person, number) != number
            last[person] = number
            seen += 1
    return switches, seen
