"""Lightning callbacks: COCO AP and pose pictures at validation, speed and gradients, a checkpoint on interruption."""

from gog_pose.callbacks.coco_map import CocoMap
from gog_pose.callbacks.gradient_norm import GradientNorm
from gog_pose.callbacks.interrupt import InterruptCheckpoint
from gog_pose.callbacks.pictures import PosePictures
from gog_pose.callbacks.throughput import Throughput

__all__ = ["CocoMap", "GradientNorm", "InterruptCheckpoint", "PosePictures", "Throughput"]
