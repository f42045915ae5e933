"""Short import path of the paper's encoder, which converts keypoints to targets."""

from gog_pose.methods.gog.encoder import PoseEncoder
from gog_pose.methods.gog.records import PoseTargets

__all__ = ["PoseEncoder", "PoseTargets"]
