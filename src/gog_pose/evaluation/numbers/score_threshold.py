"""Precision, recall and F1 of people per score threshold, to choose a threshold for an application."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class ScoreCurve(NamedTuple):
    """Precision, recall and F1 of the detections kept at each of T score thresholds.

    Attributes:
        thresholds: ``(T,)`` distinct scores, decreasing; a detection is kept if its score is at least the threshold.
        precision: ``(T,)`` correct detections / kept detections.
        recall: ``(T,)`` correct detections / people.
        f1: ``(T,)`` 2 correct / (kept + people), the harmonic mean of precision and recall.
    """

    thresholds: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray

    @classmethod
    def of(cls, scores: np.ndarray, is_right: np.ndarray, people: int) -> ScoreCurve:
        """Compute the curve from the scores of correct and wrong detections.

        Detections with higher scores are matched first, so removing detections below a threshold does not change the
        matches above it, and one matching is valid for all thresholds.

        Args:
            scores: ``(D,)``.
            is_right: ``(D,)`` True for detections that match a person.
            people: Number of annotated people.
        """
        order = np.argsort(-scores, kind="stable")
        ranked = scores[order]
        last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], len(ranked) > 0))  # last of each run of equal scores
        right = np.cumsum(is_right[order])[last]
        kept = last + 1
        recall = right / people if people else np.full(len(last), np.nan)
        return cls(ranked[last], right / kept, recall, 2 * right / (kept + people))

    def best(self) -> dict[str, float]:
        """Return the threshold with the highest F1 (the largest if tied) and its metrics; nan if there is none."""
        if not len(self.thresholds) or np.isnan(self.recall).any():
            return dict.fromkeys(("threshold", "precision", "recall", "F1"), float("nan"))
        return self._at(int(self.f1.argmax()))

    def rows(self, count: int) -> list[dict[str, float]]:
        """Return the metrics at up to ``count`` thresholds, evenly spaced by rank from the first to the last."""
        places = np.linspace(0, len(self.thresholds) - 1, min(count, len(self.thresholds))).round().astype(int)
        return [self._at(int(place)) for place in places]

    def _at(self, place: int) -> dict[str, float]:
        names = ("threshold", "precision", "recall", "F1")
        return {name: float(values[place]) for name, values in zip(names, self, strict=True)}
