"""Tables and progress bars of the commands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

Item = TypeVar("Item")


def bar(items: Iterable[Item], title: str, total: int | None) -> Iterator[Item]:
    """Yield items and show a progress bar on the standard error stream; the total may be an estimate."""
    with Progress(console=Console(stderr=True)) as shown:
        task, number = shown.add_task(title, total=total), 0
        for item in items:
            yield item
            number += 1
            shown.update(task, completed=number, total=None if total is None else max(total, number))
        shown.update(task, total=number)


def table(first: str, *others: str, title: str | None = None) -> Table:
    """Return an empty table whose first column is text and whose other columns are numbers."""
    made = Table(title=title, box=box.SIMPLE, pad_edge=False)
    made.add_column(first)
    for name in others:
        made.add_column(name, justify="right")
    return made
