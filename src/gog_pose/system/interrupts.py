"""Ctrl+C (SIGINT), and SIGTERM as clusters send it, that wait for the work under way."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def raise_on_termination() -> None:
    """Make SIGTERM raise ``KeyboardInterrupt``, as Ctrl+C does, so that nothing half written is left."""
    if _is_main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)


class Interrupt:
    """Notes Ctrl+C and SIGTERM instead of raising, so that a loop can end where all it has written fits together.

    A second Ctrl+C raises ``KeyboardInterrupt`` as ever. A second SIGTERM does not: clusters send it to all processes,
    launchers hand it on, and so one request arrives more than once. In other threads than the main one nothing is
    noted, because Python delivers signals to that.

    Attributes:
        requested: Whether to end.
    """

    def __init__(self) -> None:
        self.requested = False
        self._handlers: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupt:
        self.requested = False
        if _is_main_thread():
            self._handlers = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._handlers = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.requested = True


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def leave_to_parent() -> None:
    """Let a worker process end by its parent alone, which decides what Ctrl+C and SIGTERM mean.

    Terminals and clusters send signals to all processes: a worker that ended at once would fail the step under way.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "sigwaitinfo"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_end_when_parent_says, daemon=True).start()


def _end_when_parent_says() -> None:
    parent = os.getppid()
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent:
        pass
    os._exit(0)
