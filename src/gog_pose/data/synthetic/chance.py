"""Weighted choice, without the overhead of NumPy's for a handful of options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import numpy as np

Option = TypeVar("Option")


def pick(rng: np.random.Generator, weights: Mapping[Option, float]) -> Option:
    """Draw an option with a probability proportional to its weight.

    Args:
        rng: Source of chance; one number is drawn.
        weights: Options -> positive weights.
    """
    threshold = rng.random() * sum(weights.values())
    for option, weight in weights.items():
        threshold -= weight
        if threshold < 0:
            return option
    return option
