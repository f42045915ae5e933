"""Precision, recall and F1 of people over the score threshold: which detections to keep in an application."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class ScoreCurve(NamedTuple):
    """Precision, recall and F1 of the detections that are kept at each score threshold, T in all.

    Attributes:
        thresholds: ``(T,)`` the distinct scores, falling; a detection is kept if its score is at least the threshold.
        precision: ``(T,)`` right detections / kept detections.
        recall: ``(T,)`` right detections / people.
        f1: ``(T,)`` 2 right / (kept + people), the harmonic mean of both.
    """

    thresholds: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray

    @classmethod
    def of(cls, scores: np.ndarray, is_right: np.ndarray, people: int) -> ScoreCurve:
        """Make it of detections that are right or wrong.

        Detections with higher scores are matched first, so a threshold removes only matches of detections below it,
        and one matching holds for all thresholds.

        Args:
            scores: ``(D,)``.
            is_right: ``(D,)`` True for the detections that match a person.
            people: How many people there are to find.
        """
        order = np.argsort(-scores, kind="stable")
        ranked = scores[order]
        last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], len(ranked) > 0))  # of equal scores
        right = np.cumsum(is_right[order])[last]
        kept = last + 1
        recall = right / people if people else np.full(len(last), np.nan)
        return cls(ranked[last], right / kept, recall, 2 * right / (kept + people))

    def best(self) -> dict[str, float]:
        """Return the threshold of the highest F1, the highest of several, with its three numbers; nan without any."""
        if not len(self.thresholds) or np.isnan(self.recall).any():
            return dict.fromkeys(("threshold", "precision", "recall", "F1"), float("nan"))
        return self._at(int(self.f1.argmax()))

    def rows(self, count: int) -> list[dict[str, float]]:
        """Return at most ``count`` of the thresholds, evenly spaced by rank from the first to the last."""
        places = np.linspace(0, len(self.thresholds) - 1, min(count, len(self.thresholds))).round().astype(int)
        return [self._at(int(place)) for place in places]

    def _at(self, place: int) -> dict[str, float]:
        names = ("threshold", "precision", "recall", "F1")
        return {name: float(values[place]) for name, values in zip(names, self, strict=True)}
