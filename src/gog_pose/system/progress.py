"""Progress of long loops: functions take a wrapper, with which a command shows a bar and a notebook what it likes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

Item = TypeVar("Item")

_BETWEEN_LINES = 60.0  # s, in a log file
_BAR_WIDTH = 20  # columns; the whole line fits into 80


class Progress(Protocol):
    """Wraps the items of a loop to show how far it has come."""

    def __call__(self, items: Iterable[Item], title: str, total: int | None) -> Iterable[Item]:
        """Yield the items.

        Args:
            items: What the loop runs over.
            title: What the loop does.
            total: The number of items; None where it is unknown.
        """


def silent(items: Iterable[Item], title: str, total: int | None) -> Iterable[Item]:
    """Show nothing."""
    return items


def bar(items: Iterable[Item], title: str, total: int | None) -> Iterator[Item]:
    """Yield items and show their number on the standard error stream; the total may be an estimate."""
    number = 0
    with ProgressLine(title, total) as line:
        for item in items:
            yield item
            number += 1
            line.update(number)


class ProgressLine:
    """The progress of one loop on the standard error stream.

    A terminal gets a bar of one line. A file gets whole lines, at most one per minute, and no control characters.

    Args:
        title: What the loop does.
        total: The number of items; None where it is unknown, and it may be an estimate.
        transient: Whether nothing is left when the loop ends: no bar, no last line.
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
        """Return the line."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the line."""
        self.close()

    def update(self, done: int, note: str = "") -> None:
        """Show how many items are done, and a few words such as a loss."""
        self._done, self._note = done, note
        if self._total is not None:
            self._total = max(self._total, done)
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=self._total, note=note)
        elif time.monotonic() - self._printed >= _BETWEEN_LINES:
            self._print()

    def close(self) -> None:
        """Remove the bar, or leave the number of items that were done."""
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
