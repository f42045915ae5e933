"""Lightning callbacks: COCO AP and pose pictures, speed and gradients, checkpoints on interruption, W&B artefacts."""

from gog_pose.callbacks.coco_map import CocoMap
from gog_pose.callbacks.gradient_norm import GradientNorm
from gog_pose.callbacks.interrupt import InterruptCheckpoint
from gog_pose.callbacks.pictures import PosePictures
from gog_pose.callbacks.throughput import Throughput
from gog_pose.callbacks.wandb_results import WandbResults

__all__ = ["CocoMap", "GradientNorm", "InterruptCheckpoint", "PosePictures", "Throughput", "WandbResults"]
