"""Tracking: people of a video get ids that stay the same from frame to frame."""

from gog_pose.tracking.smoothing import OneEuro
from gog_pose.tracking.tracker import Tracker

__all__ = ["OneEuro", "Tracker"]
