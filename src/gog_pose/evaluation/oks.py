"""Similarity of keypoints: the thresholds that COCO and the diagnoses share."""

import numpy as np

MATCHED = 0.1  # least OKS of a person and the detection whose errors are measured
FOUND = 0.5  # least similarity of a match
WELL_PLACED = 0.85
OKS_THRESHOLDS = np.linspace(0.5, 0.95, 10)  # those that AP and AR average over
