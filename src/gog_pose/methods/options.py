"""Checks of the choices and ranges of a decoder's options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gog_pose.errors import InputError
from gog_pose.system.options import Count, NotNegative, Positive, require


def require_ranges(
    decoder: Any, *, counts: Sequence[str] = (), positive: Sequence[str] = (), not_negative: Sequence[str] = ()
) -> None:
    """Check the options of a decoder.

    Args:
        decoder: Decoder with the options as attributes.
        counts: Names of the options that are whole numbers of at least 1.
        positive: Names of the options that are greater than 0.
        not_negative: Names of the options that are at least 0.

    Raises:
        InputError: An option is out of its range; infinity and NaN are out of every range.
    """
    for names, kind in ((counts, Count), (positive, Positive), (not_negative, NotNegative)):
        for name in names:
            require(f"decoder.{name}", getattr(decoder, name), kind)


def require_choices(decoder: Any, choices: Mapping[str, Sequence[str]]) -> None:
    """Check the options of a decoder that are names.

    Args:
        decoder: Decoder with the options as attributes.
        choices: Allowed values of each option.

    Raises:
        InputError: The value of an option is not allowed.
    """
    for option, names in choices.items():
        if getattr(decoder, option) not in names:
            raise InputError(f"decoder.{option}: {getattr(decoder, option)!r} is unknown; choose {' or '.join(names)}")
