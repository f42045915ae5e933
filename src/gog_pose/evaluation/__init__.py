"""How good poses are: COCO's keypoint AP, the upper bound that ground-truth maps set, and what keeps it from 1."""

from gog_pose.evaluation.coco import CocoKeypointEvaluator
from gog_pose.evaluation.detections import detect, read_detections
from gog_pose.evaluation.diagnosis import diagnose, summarise
from gog_pose.evaluation.limb_graph import best_possible_poses
from gog_pose.evaluation.noise import MapNoise
from gog_pose.evaluation.oracle import Oracle, oracle_detections

__all__ = [
    "CocoKeypointEvaluator",
    "MapNoise",
    "Oracle",
    "best_possible_poses",
    "detect",
    "diagnose",
    "oracle_detections",
    "read_detections",
    "summarise",
]
