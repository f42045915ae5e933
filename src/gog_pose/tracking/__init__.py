"""Track ids: the same person has the same number in every frame of a video."""

from gog_pose.tracking.smoothing import OneEuro
from gog_pose.tracking.tracker import Tracker

__all__ = ["OneEuro", "Tracker"]
