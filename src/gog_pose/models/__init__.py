"""Image to maps: ``hourglass.py`` the trunk, ``network.py`` the trunk with its 1x1 heads."""

from gog_pose.models.hourglass import Hourglass
from gog_pose.models.network import PoseNetwork

__all__ = ["Hourglass", "PoseNetwork"]
