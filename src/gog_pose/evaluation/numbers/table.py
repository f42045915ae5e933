"""The table of the numbers per keypoint type, which console, page and CSV share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

TOTAL = "all"  # the last row: all types together, which have no AP


def keypoint_rows(keypoints: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one row per keypoint type and one of all types together.

    Args:
        keypoints: ``keypoints`` of ``Numbers.to_dict``.

    Returns:
        Rows of equal keys, ``keypoint`` (its name) first; nan where there is no such number.
    """
    named = {**keypoints["by_type"], TOTAL: {"AP": math.nan, **keypoints["all"]}}
    return [{"keypoint": name, **own} for name, own in named.items()]


def texts(row: Mapping[str, Any]) -> list[str]:
    """Return the entries of a row as a reader should see them: px with one digit, other fractions with three."""
    return [entry(name, value) for name, value in row.items()]


def entry(name: str, value: Any) -> str:
    """Return a number as text; "-" where it is nan."""
    if not isinstance(value, float):
        return str(value)
    return "-" if math.isnan(value) else f"{value:.{1 if name.endswith('_px') else 3}f}"
