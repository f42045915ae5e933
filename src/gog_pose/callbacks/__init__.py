"""Lightning callbacks: COCO AP and pose pictures at validation, a checkpoint on interruption."""

from gog_pose.callbacks.coco_map import CocoMap
from gog_pose.callbacks.interrupt import InterruptCheckpoint
from gog_pose.callbacks.pictures import PosePictures

__all__ = ["CocoMap", "InterruptCheckpoint", "PosePictures"]
