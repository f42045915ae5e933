"""Thresholds of keypoint similarity and OKS."""

import numpy as np

MATCHED = 0.1  # lowest OKS of a person and the detection whose errors are measured
FOUND = 0.5  # lowest similarity of a found keypoint
WELL_PLACED = 0.85  # lowest similarity of a keypoint that is not misplaced
OKS_THRESHOLDS = np.linspace(0.5, 0.95, 10)  # AP and AR are averages over these
