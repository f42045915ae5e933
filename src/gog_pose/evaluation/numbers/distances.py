"""Distances of detected keypoints from the labeled ones: PCK and mean error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Distances(NamedTuple):
    """Distances of detected keypoints from those of P annotated people with at least one labeled keypoint each.

    Attributes:
        px: ``(P, K)`` px, original image; infinite where the person has no detection or its detection lacks the
            keypoint, nan where the keypoint is not labeled.
        scales: ``(P,)`` square root of the person's annotated area, px.
        sizes: ``(P,)`` px, the unit of PCK's thresholds; nan where the person has no such size.
    """

    px: np.ndarray
    scales: np.ndarray
    sizes: np.ndarray

    def of_type(self, keypoint: int) -> Distances:
        """Return those of one keypoint type, with ``px`` of shape ``(P, 1)``."""
        return self._replace(px=self.px[:, keypoint : keypoint + 1])

    def summary(self, thresholds: Sequence[float]) -> dict[str, float]:
        """Return the numbers of all keypoints together.

        Args:
            thresholds: Of PCK, in units of ``sizes``.

        Returns:
            ``labeled``: the number of labeled keypoints. ``detected``: how many of them the detection of their person
            has. ``error_px``: the mean distance of the detected ones, px. ``error_scales``: the mean of each distance
            divided by the person's scale. ``PCK@t``: the share of the labeled keypoints of people with a size that are
            detected at most ``t`` times that size away; a keypoint that is not detected is wrong. nan = a mean of
            nothing.
        """
        is_labeled = ~np.isnan(self.px)
        is_detected = np.isfinite(self.px)
        in_scales = self.px / self.scales[:, None]
        counts = is_labeled & ~np.isnan(self.sizes)[:, None]
        in_sizes = (self.px / self.sizes[:, None])[counts]
        return {
            "labeled": int(is_labeled.sum()),
            "detected": int(is_detected.sum()),
            "error_px": _mean(self.px[is_detected]),
            "error_scales": _mean(in_scales[is_detected]),
            **{f"PCK@{threshold:g}": _mean(in_sizes <= threshold) for threshold in thresholds},
        }


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else float("nan")
