"""Evaluation of poses: COCO keypoint AP, the upper bound set by ground-truth maps, and error analysis."""

from gog_pose.evaluation.coco import CocoKeypointEvaluator
from gog_pose.evaluation.detections import detect, read_detections
from gog_pose.evaluation.oracle.diagnosis import diagnose, summarize
from gog_pose.evaluation.oracle.limb_graph import best_possible_poses
from gog_pose.evaluation.oracle.noise import MapNoise
from gog_pose.evaluation.oracle.oracle import Oracle, oracle_detections

__all__ = [
    "CocoKeypointEvaluator",
    "MapNoise",
    "Oracle",
    "best_possible_poses",
    "detect",
    "diagnose",
    "oracle_detections",
    "read_detections",
    "summarize",
]
