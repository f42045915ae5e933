"""Distances between detected and labeled keypoints: PCK and mean error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Distances(NamedTuple):
    """Distances of detected keypoints from the labeled keypoints of P people, who have at least one label each.

    Attributes:
        px: ``(P, K)`` px, original image; infinite where the person has no detection or its detection lacks the
            keypoint, nan where the keypoint is not labeled.
        scales: ``(P,)`` square root of the person's annotated area, px.
        sizes: ``(P,)`` px, the unit of PCK's thresholds; nan where the size of the person is undefined.
    """

    px: np.ndarray
    scales: np.ndarray
    sizes: np.ndarray

    def of_type(self, keypoint: int) -> Distances:
        """Return the distances of one keypoint type, with ``px`` of shape ``(P, 1)``."""
        return self._replace(px=self.px[:, keypoint : keypoint + 1])

    def summary(self, thresholds: Sequence[float]) -> dict[str, float]:
        """Return the metrics of all keypoints together.

        Args:
            thresholds: PCK thresholds, in units of ``sizes``.

        Returns:
            ``labeled``: number of labeled keypoints. ``detected``: number of labeled keypoints that the person's
            detection contains. ``error_px``: mean distance of the detected keypoints, px. ``error_scales``: mean
            distance divided by the person's scale. ``PCK@t``: share of labeled keypoints detected within ``t`` times
            the person's size, over people with a defined size; keypoints that are not detected count as wrong. Means
            over nothing are nan.
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
