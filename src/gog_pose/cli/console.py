"""Tables and text for the terminal."""

from __future__ import annotations

from rich import box
from rich.table import Table


def table(first: str, *others: str, title: str | None = None) -> Table:
    """Return an empty table whose first column is text and whose other columns are numbers."""
    made = Table(title=title, box=box.SIMPLE, pad_edge=False)
    made.add_column(first)
    for name in others:
        made.add_column(name, justify="right")
    return made


def printable(text: str) -> str:
    """Return text with line breaks and unprintable characters escaped, such as those in file names."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
