"""gog_pose: bottom-up multi-person pose estimation by greedy offset-guided keypoint grouping (GOG).

Heatmaps say where keypoints are, guiding offsets say which keypoint of the same person comes next, a greedy pass joins
them. For users:

- ``PoseEstimator``: image in, ``Poses`` out.
- ``gog_pose.skeleton``: what a person is made of.
- ``gog_pose.encoding`` and ``gog_pose.decoding``: poses to maps and back.
- ``gog_pose.data``, ``gog_pose.models``, ``gog_pose.losses``, ``gog_pose.module``: training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gog_pose.inference import PoseEstimator
    from gog_pose.records import Poses

__all__ = ["PoseEstimator", "Poses"]


def __getattr__(name: str) -> Any:
    """Import the two public names on first use, so that commands that need no network start without PyTorch."""
    if name == "PoseEstimator":
        from gog_pose.inference import PoseEstimator

        return PoseEstimator
    if name == "Poses":
        from gog_pose.records import Poses

        return Poses
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
