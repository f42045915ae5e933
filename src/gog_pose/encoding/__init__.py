"""Keypoints to targets.

``PoseEncoder`` draws what a network should answer: ``heatmap.py`` the Gaussian responses, ``offset.py`` the guiding
offsets. ``gog_pose.decoding`` is the way back, file by file: heatmap - peaks, offset - limbs.
"""

from gog_pose.encoding.encoder import PoseEncoder
from gog_pose.records import PoseTargets

__all__ = ["PoseEncoder", "PoseTargets"]
