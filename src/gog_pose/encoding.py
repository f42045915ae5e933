"""The paper's encoder by its short name: keypoints to targets."""

from gog_pose.methods.gog.encoder import PoseEncoder
from gog_pose.methods.gog.records import PoseTargets

__all__ = ["PoseEncoder", "PoseTargets"]
