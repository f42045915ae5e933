"""Ctrl+C that waits for the work under way."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any


class Interrupt:
    """Notes Ctrl+C (SIGINT) instead of raising, so that a loop can end where all it has written fits together.

    A second Ctrl+C raises ``KeyboardInterrupt`` as ever.

    Attributes:
        requested: Whether to end.
    """

    def __init__(self) -> None:
        self.requested = False
        self._handler: Any = signal.default_int_handler

    def __enter__(self) -> Interrupt:
        self._handler = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        signal.signal(signal.SIGINT, self._handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
