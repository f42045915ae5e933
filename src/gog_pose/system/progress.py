"""Progress of long loops: functions take a wrapper, with which a command shows a bar and a notebook what it likes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

Item = TypeVar("Item")


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
