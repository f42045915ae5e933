"""The one exception that a user, not a programmer, is meant to read."""

from __future__ import annotations


class InputError(ValueError):
    """Bad input: its message is one line that names the file, the field and the remedy.

    The commands print that line and exit with code 2; in a notebook it is an ordinary ``ValueError``.
    """
