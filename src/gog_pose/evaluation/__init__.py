"""How good poses are: COCO's keypoint AP, and the upper bound that ground-truth maps set."""

from gog_pose.evaluation.coco import CocoKeypointEvaluator
from gog_pose.evaluation.detections import detect
from gog_pose.evaluation.oracle import oracle_detections

__all__ = ["CocoKeypointEvaluator", "detect", "oracle_detections"]
