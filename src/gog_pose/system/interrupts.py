"""Handling of Ctrl+C (SIGINT) and SIGTERM (sent by clusters) that lets the current work finish."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def raise_on_termination() -> None:
    """Make SIGTERM raise ``KeyboardInterrupt`` like Ctrl+C, so that no partly written files are left."""
    if _is_main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)


class Interrupt:
    """Records Ctrl+C and SIGTERM instead of raising, so that a loop can end with consistent files.

    A second Ctrl+C raises ``KeyboardInterrupt`` as usual. A second SIGTERM does not, because clusters send it to all
    processes and launchers forward it, so one request can arrive repeatedly. Outside the main thread no signal is
    recorded, because Python delivers signals only to the main thread.

    Attributes:
        requested: True after a signal.
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
    """Ignore Ctrl+C and SIGTERM in a worker process unless its parent sends them.

    Terminals and clusters send signals to all processes. A worker that ended immediately would make the current step
    fail.
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
