"""The body of limb maps: keypoints, optionally a neck, and undirected limbs."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from gog_pose.errors import InputError
from gog_pose.skeleton import Skeleton

BODIES = ("skeleton", "neck")
_SHOULDERS = ("left_shoulder", "right_shoulder")
# The points of the public program, by COCO's names, in the order of its channels.
PUBLIC_POINTS = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
    "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "right_eye", "left_eye",
    "right_ear", "left_ear",
)  # fmt: skip
# Its 30 limbs in the order of its channels and of grouping: head, arms and legs from the neck on, then nine others.
_PUBLIC_LIMBS = (
    (1, 0), (1, 14), (1, 15), (1, 16), (1, 17), (0, 14), (0, 15), (14, 16), (15, 17), (1, 2), (2, 3), (3, 4), (1, 5),
    (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13), (0, 2), (0, 5), (2, 8), (8, 12), (5, 11),
    (11, 9), (16, 2), (17, 5), (8, 11),
)  # fmt: skip


@lru_cache(maxsize=8)
def body_of(skeleton: Skeleton, kind: str = "skeleton") -> Skeleton:
    """Return the points and limbs that have maps.

    Args:
        skeleton: Keypoints of the annotations, and limbs.
        kind: ``skeleton``: the keypoints and limbs of the skeleton; a limb that is listed in both directions counts
            once, because responses have no direction. ``neck``: COCO's keypoints followed by a neck midway between the
            shoulders, and the 30 limbs of the public program, independent of the skeleton's limbs.

    Raises:
        InputError: The kind is unknown, the skeleton has no limbs, or its keypoints do not fit the 30 limbs.
    """
    if kind not in BODIES:
        raise InputError(f"body: {kind!r} is unknown; choose {' or '.join(BODIES)}")
    if kind == "neck":
        return _with_neck(skeleton)
    if not skeleton.limbs:
        raise InputError(
            f"skeleton {skeleton.name}: limbs: there are none, but method=simple_pose groups keypoints by limbs; add"
            " limbs, or use method=centernet"
        )
    once = dict.fromkeys(tuple(sorted(limb)) for limb in skeleton.limbs)
    listed = {tuple(sorted(limb)): limb for limb in reversed(skeleton.limbs)}  # the first listing counts
    return replace(skeleton, limbs=[listed[limb] for limb in once])


def shoulders(skeleton: Skeleton) -> tuple[int, int]:
    """Return the two keypoint types midway between which the neck lies."""
    left, right = (skeleton.keypoints.index(name) for name in _SHOULDERS)
    return left, right


def public_order(skeleton: Skeleton) -> list[int]:
    """Return for each point of the body with a neck its channel in the public program."""
    return [PUBLIC_POINTS.index(name) for name in _with_neck(skeleton).keypoints]


def _with_neck(skeleton: Skeleton) -> Skeleton:
    keypoints = (*skeleton.keypoints, "neck")
    unlike = sorted(set(keypoints) ^ set(PUBLIC_POINTS))
    if unlike or "neck" in skeleton.keypoints:
        raise InputError(
            f"body: neck requires COCO's 17 keypoints, but skeleton {skeleton.name} differs in"
            f" {', '.join(unlike or ['neck'])}; choose body=skeleton"
        )
    place = [keypoints.index(name) for name in PUBLIC_POINTS]
    return Skeleton(
        name=skeleton.name,
        keypoints=keypoints,
        limbs=[(place[start], place[end]) for start, end in _PUBLIC_LIMBS],
        flip_pairs=skeleton.flip_pairs,
        oks_sigmas=(*skeleton.oks_sigmas, skeleton.oks_sigmas[shoulders(skeleton)[0]]),
    )
