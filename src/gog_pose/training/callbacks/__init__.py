"""Lightning callbacks: COCO AP, pose pictures, speed, gradient norm, checkpoints, freezing, W&B artifacts."""

from gog_pose.training.callbacks.best_checkpoint import BestCheckpoint
from gog_pose.training.callbacks.coco_map import CocoMap
from gog_pose.training.callbacks.freezing import Freeze
from gog_pose.training.callbacks.gradient_norm import GradientNorm
from gog_pose.training.callbacks.interrupt import InterruptCheckpoint
from gog_pose.training.callbacks.pictures import PosePictures
from gog_pose.training.callbacks.progress_bar import TrainingProgress
from gog_pose.training.callbacks.rate_range import RateRange
from gog_pose.training.callbacks.throughput import Throughput
from gog_pose.training.callbacks.validation_line import ValidationLine
from gog_pose.training.callbacks.wandb_results import WandbResults
from gog_pose.training.callbacks.weight_means import WeightMeans

__all__ = [
    "BestCheckpoint",
    "CocoMap",
    "Freeze",
    "GradientNorm",
    "InterruptCheckpoint",
    "PosePictures",
    "RateRange",
    "Throughput",
    "TrainingProgress",
    "ValidationLine",
    "WandbResults",
    "WeightMeans",
]
