"""Ranges of a decoder's options."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gog_pose.errors import InputError


def require_ranges(
    decoder: Any, *, counts: Sequence[str] = (), positive: Sequence[str] = (), not_negative: Sequence[str] = ()
) -> None:
    """Check the options of a decoder.

    Args:
        decoder: Has the options as attributes.
        counts: Names of the options that are 1 or more.
        positive: Names of the options that are more than 0.
        not_negative: Names of the options that are 0 or more.

    Raises:
        InputError: An option is out of its range; NaN is out of every range of ``positive`` and ``not_negative``.
    """
    for option in counts:
        if getattr(decoder, option) < 1:
            raise InputError(f"decoder.{option}: must be 1 or more, got {getattr(decoder, option)}")
    for option in positive:
        if not getattr(decoder, option) > 0:
            raise InputError(f"decoder.{option}: must be more than 0, got {getattr(decoder, option)}")
    for option in not_negative:
        if not getattr(decoder, option) >= 0:
            raise InputError(f"decoder.{option}: must be 0 or more, got {getattr(decoder, option)}")
