"""COCO-format people in, training batches out.

``coco.py`` reads annotations, ``augmentation.py`` warps and colours, ``dataset.py`` makes samples, ``datamodule.py``
hands them to Lightning, ``synthetic`` draws a data set where there is none.
"""

from gog_pose.data.augmentation import Augmentation, NoAugmentation
from gog_pose.data.coco import CocoKeypoints
from gog_pose.data.datamodule import PoseDataModule
from gog_pose.data.dataset import EvaluationSample, PoseBatch, TrainingCrops, WholeImages

__all__ = [
    "Augmentation",
    "CocoKeypoints",
    "EvaluationSample",
    "NoAugmentation",
    "PoseBatch",
    "PoseDataModule",
    "TrainingCrops",
    "WholeImages",
]
