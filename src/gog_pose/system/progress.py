"""Progress of long loops. Functions receive a wrapper of the loop; commands pass one that shows a progress bar."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

Item = TypeVar("Item")

_BETWEEN_LINES = 60.0  # s between lines in a log file
_BAR_WIDTH = 20  # columns, for a line of at most 80


class Progress(Protocol):
    """Wraps the items of a loop to show its progress."""

    def __call__(self, items: Iterable[Item], title: str, total: int | None) -> Iterable[Item]:
        """Yield the items.

        Args:
            items: Items of the loop.
            title: Short description of the loop.
            total: Number of items; None if unknown.
        """


def silent(items: Iterable[Item], title: str, total: int | None) -> Iterable[Item]:
    """Return the items without showing progress."""
    return items


def bar(items: Iterable[Item], title: str, total: int | None) -> Iterator[Item]:
    """Yield items and show their number on standard error; the total may be an estimate."""
    number = 0
    with ProgressLine(title, total) as line:
        for item in items:
            yield item
            number += 1
            line.update(number)


class ProgressLine:
    """The progress of one loop on standard error.

    In a terminal, the progress is a bar of one line. In a file, it consists of complete lines, at most one per minute,
    without control characters.

    Args:
        title: Short description of the loop.
        total: Number of items, which may be an estimate; None if unknown.
        transient: True = remove the bar, or omit the last line, when the loop ends.
    """

    def __init__(self, title: str, total: int | None, *, transient: bool = False) -> None:
        self._title, self._total, self._transient = title, total, transient
        self._done, self._note = 0, ""
        self._started = self._printed = time.monotonic()
        self._bar: RichProgress | None = None
        console = Console(stderr=True)
        if console.is_terminal:
            self._bar = RichProgress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=_BAR_WIDTH),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}", markup=False),
                console=console,
                transient=transient,
            )
            self._task = self._bar.add_task(title, total=total, note="")
            self._bar.start()

    def __enter__(self) -> ProgressLine:
        """Return this object."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the line."""
        self.close()

    def update(self, done: int, note: str = "") -> None:
        """Show the number of finished items and a short note, such as a loss."""
        self._done, self._note = done, note
        if self._total is not None:
            self._total = max(self._total, done)
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=self._total, note=note)
        elif time.monotonic() - self._printed >= _BETWEEN_LINES:
            self._print()

    def close(self) -> None:
        """End the progress; unless transient, the number of finished items remains visible."""
        if self._bar is not None:
            self._bar.update(self._task, total=self._done)
            self._bar.stop()
        elif not self._transient:
            self._print()

    def _print(self) -> None:
        self._printed = time.monotonic()
        total = "" if self._total is None else f"/{self._total}"
        note = f"  {self._note}" if self._note else ""
        Console(stderr=True).print(
            f"{self._title}  {self._done}{total}  {clock(self._printed - self._started)}{note}",
            soft_wrap=True, highlight=False, markup=False,
        )  # fmt: skip


def clock(seconds: float) -> str:
    """Return a duration as ``h:mm:ss``."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
