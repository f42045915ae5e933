"""The one exception that a user, not a programmer, is meant to read, and a check that raises it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any


class InputError(ValueError):
    """Bad input: its message is one line that names the file, the field and the remedy.

    The commands print that line and exit with code 2; in a notebook it is an ordinary ``ValueError``.
    """


def require_at_least(options: Mapping[str, Any], *, nullable: Collection[str] = (), **least: int) -> None:
    """Check options that are whole numbers.

    Args:
        options: The values by name.
        nullable: Names of the options that may be None.
        **least: Lower bounds by name.

    Raises:
        InputError: An option is not a whole number, or it is below its bound.
    """
    for name, bound in least.items():
        value = options[name]
        if value is None and name in nullable:
            continue
        if type(value) is not int or value < bound:
            raise InputError(f"{name}: must be {bound} or more, got {value}")
