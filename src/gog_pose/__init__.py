"""gog_pose: bottom-up multi-person pose estimation by greedy offset-guided keypoint grouping (GOG).

Heatmaps locate keypoints, guiding offsets point from a keypoint to the next one of the same person, and a greedy
decoder groups the keypoints into people. Main parts:

- ``PoseEstimator``: predicts ``Poses`` for images.
- ``gog_pose.skeleton``: keypoints and limbs of a person.
- ``gog_pose.encoding`` and ``gog_pose.decoding``: the paper's encoder and decoder.
- ``gog_pose.methods``: all methods.
- ``gog_pose.networks``, ``gog_pose.data``, ``gog_pose.training``, ``gog_pose.evaluation``: training and evaluation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gog_pose.estimator import PoseEstimator
    from gog_pose.poses import Poses

__all__ = ["PoseEstimator", "Poses", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import the two classes on first use, so that commands start and report mistakes without loading PyTorch."""
    if name == "PoseEstimator":
        from gog_pose.estimator import PoseEstimator

        return PoseEstimator
    if name == "Poses":
        from gog_pose.poses import Poses

        return Poses
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
