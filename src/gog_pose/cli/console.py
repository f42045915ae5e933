"""Tables and progress bars of the commands."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

Item = TypeVar("Item")


def bar(items: Iterable[Item], title: str, total: int | None) -> Iterable[Item]:
    """Yield items and show a progress bar on the standard error stream."""
    return track(items, title, total, console=Console(stderr=True))


def table(first: str, *others: str, title: str | None = None) -> Table:
    """Return an empty table whose first column is text and whose other columns are numbers."""
    made = Table(title=title, box=box.SIMPLE, pad_edge=False)
    made.add_column(first)
    for name in others:
        made.add_column(name, justify="right")
    return made
