"""Limbs and OKS sigmas of known keypoint names: those of COCO, CrowdPose and MPII."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gog_pose.skeleton import Skeleton, load_skeleton

# In the order of http://human-pose.mpi-inf.mpg.de.
MPII_KEYPOINTS = (
    "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle", "pelvis", "thorax", "upper_neck",
    "head_top", "right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist",
)  # fmt: skip
_MPII_LIMBS = (
    ("head_top", "upper_neck"), ("upper_neck", "thorax"), ("thorax", "pelvis"),
    ("thorax", "left_shoulder"), ("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist"),
    ("thorax", "right_shoulder"), ("right_shoulder", "right_elbow"), ("right_elbow", "right_wrist"),
    ("pelvis", "left_hip"), ("left_hip", "left_knee"), ("left_knee", "left_ankle"),
    ("pelvis", "right_hip"), ("right_hip", "right_knee"), ("right_knee", "right_ankle"),
)  # fmt: skip
_COCO = load_skeleton("coco_19")
_CROWDPOSE = load_skeleton("crowdpose")


def known_limbs(keypoints: Sequence[str]) -> tuple[str, list[tuple[str, str]]] | None:
    """Return the owner ("COCO's" ...) and the usual limbs of keypoints in any order and spelling; None if unknown."""
    spelled = {plain(name): name for name in keypoints}
    for title, names, pairs in _skeletons():
        if {plain(name) for name in names} == set(spelled) and len(spelled) == len(keypoints):
            return title, [(spelled[plain(start)], spelled[plain(end)]) for start, end in pairs]
    return None


def known_sigmas() -> Mapping[str, float]:
    """Return OKS sigmas by part of the body without side, such as ``knee``: COCO's, and CrowdPose's for other parts."""
    return {
        plain(name).removeprefix("left").removeprefix("right"): sigma
        for skeleton in (_CROWDPOSE, _COCO)
        for name, sigma in zip(skeleton.keypoints, skeleton.oks_sigmas, strict=True)
    }


def in_known_order(keypoints: Sequence[str]) -> tuple[str, ...]:
    """Return keypoints of COCO, CrowdPose or MPII in the order of that data set, others unchanged."""
    for _, names, _ in _skeletons():
        order = {plain(name): place for place, name in enumerate(names)}
        if {plain(name) for name in keypoints} == set(order):
            return tuple(sorted(keypoints, key=lambda name: order[plain(name)]))
    return tuple(keypoints)


def plain(name: str) -> str:
    """Return a name without case and separators, the same for ``Left_Knee``, ``left knee`` and ``leftKnee``."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _skeletons() -> list[tuple[str, Sequence[str], Sequence[tuple[str, str]]]]:
    return [
        ("COCO's", _COCO.keypoints, _names(_COCO)),
        ("CrowdPose's", _CROWDPOSE.keypoints, _names(_CROWDPOSE)),
        ("MPII's", MPII_KEYPOINTS, _MPII_LIMBS),
    ]


def _names(skeleton: Skeleton) -> list[tuple[str, str]]:
    return [(skeleton.keypoints[start], skeleton.keypoints[end]) for start, end in skeleton.limbs]
