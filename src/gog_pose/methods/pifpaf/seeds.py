"""Seeds: keypoints at which poses start."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gog_pose.methods.pifpaf.confidence import Confidence, Predictions


class Seeds(NamedTuple):
    """Keypoints at which poses start, the most confident first.

    Attributes:
        types: ``(N,)`` keypoint types.
        xy: ``(2, N)`` px of the input image.
        values: ``(N,)`` confidence.
    """

    types: np.ndarray
    xy: np.ndarray
    values: np.ndarray

    def chosen(self, some: np.ndarray) -> Seeds:
        """Return some of the seeds, by index or mask."""
        return Seeds._make(field[..., some] for field in self)

    def above(self, threshold: float) -> Seeds:
        """Return the seeds of higher confidence, sorted by confidence, type and position, all descending."""
        some = self.chosen(self.values > threshold)
        return some.chosen(np.lexsort((some.xy[1], some.xy[0], some.types, some.values))[::-1])


def peaks(confidence: Confidence, threshold: float) -> Seeds:
    """Return the pixels of high confidence."""
    return Seeds(*confidence.cores()).above(threshold)


def cells(predictions: Predictions, confidence: Confidence, threshold: float) -> Seeds:
    """Return the predicted positions with high confidence, which are not rounded, and many for each keypoint."""
    values = confidence.at(predictions.types, predictions.xy)
    return Seeds(predictions.types, predictions.xy, values).above(threshold)
