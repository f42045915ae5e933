"""Table of the metrics per keypoint type, for console, report page and CSV file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

TOTAL = "all"  # last row: all types together, without AP


def keypoint_rows(keypoints: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one row per keypoint type and one row for all types together.

    Args:
        keypoints: ``keypoints`` of ``Numbers.to_dict``.

    Returns:
        Rows with equal keys, of which ``keypoint`` (the name) is the first; nan where a metric is undefined.
    """
    named = {**keypoints["by_type"], TOTAL: {"AP": math.nan, **keypoints["all"]}}
    return [{"keypoint": name, **own} for name, own in named.items()]


def texts(row: Mapping[str, Any]) -> list[str]:
    """Return the entries of a row as text: px with one decimal, other fractions with three."""
    return [entry(name, value) for name, value in row.items()]


def entry(name: str, value: Any) -> str:
    """Return a number as text; "-" for nan."""
    if not isinstance(value, float):
        return str(value)
    return "-" if math.isnan(value) else f"{value:.{1 if name.endswith('_px') else 3}f}"
