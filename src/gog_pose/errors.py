"""Exception for mistakes that the user can fix."""

from __future__ import annotations


class InputError(ValueError):
    """Invalid input. The message is one line that names the file, the field, the mistake and the remedy.

    The commands print this line and exit with code 2. In Python, it is an ordinary ``ValueError``.
    """
