"""Seeds: keypoints at which poses start."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gog_pose.methods.pifpaf.confidence import Confidence, Predictions


class Seeds(NamedTuple):
    """Keypoints at which poses start.

    Attributes:
        types: ``(N,)`` keypoint types.
        xy: ``(2, N)`` px of the input image.
        values: ``(N,)`` confidence.
    """

    types: np.ndarray
    xy: np.ndarray
    values: np.ndarray

    def chosen(self, some: np.ndarray) -> Seeds:
        """Return some of the seeds, by index."""
        return Seeds._make(field.take(some, axis=-1) for field in self)

    def above(self, threshold: float) -> Seeds:
        """Return the seeds of higher confidence."""
        return self.chosen(np.flatnonzero(self.values > threshold))

    def order(self) -> np.ndarray:
        """Return the indices that sort the seeds by confidence, type and position, all descending."""
        return np.lexsort((self.xy[1], self.xy[0], self.types, self.values))[::-1]


def peaks(confidence: Confidence, threshold: float) -> Seeds:
    """Return the pixels of high confidence, which are not sorted, because few of them remain seeds."""
    return Seeds(*confidence.cores()).above(threshold)


def cells(predictions: Predictions, confidence: Confidence, threshold: float) -> Seeds:
    """Return the sorted predicted positions with high confidence, not rounded, and many for each keypoint."""
    values = confidence.at(predictions.types, predictions.xy)
    seeds = Seeds(predictions.types, predictions.xy, values).above(threshold)
    return seeds.chosen(seeds.order())
