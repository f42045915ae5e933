"""Timing of functions in comparison."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
import torch

_LEAST = 0.005  # shortest measurement, s


def time_in_turn(functions: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, dict[str, float]]:
    """Time all functions alternately, ``repeats`` times, each for a few milliseconds after one untimed call.

    The untimed call restores the function's state of memory and caches, because the state left by another function that
    allocates much memory can double the time of a call.

    Returns:
        Per function ``median``, ``low`` and ``high`` (the quartiles) of a call, ms of CPU time of this process, which
        depends little on the load by other processes.
    """
    calls = {
        name: math.ceil(_LEAST / max(_cpu_time(function, 1), _LEAST / 1000)) for name, function in functions.items()
    }
    times: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            function()
            times[name].append(1e3 * _cpu_time(function, calls[name]))
    return {name: quartiles(values) for name, values in times.items()}


def _cpu_time(function: Callable[[], Any], calls: int) -> float:
    """Return the mean CPU time of ``calls`` calls, s."""
    start = time.process_time()
    for _ in range(calls):
        function()
    return (time.process_time() - start) / calls


def quartiles(values: Sequence[float]) -> dict[str, float]:
    """Return the quartiles as ``median``, ``low`` and ``high``."""
    return dict(zip(("median", "low", "high"), np.percentile(values, (50, 25, 75)).tolist(), strict=True))


def seconds(device: torch.device) -> float:
    """Return a time for measuring differences, s: CPU time with a single CPU thread, otherwise wall time.

    On a GPU, pending work is completed first.
    """
    if device.type == "cpu" and torch.get_num_threads() == 1:
        return time.process_time()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


@contextmanager
def one_thread() -> Iterator[None]:
    """Limit PyTorch and OpenCV to one thread within the context."""
    torch_threads, cv2_threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        torch.set_num_threads(torch_threads)
        cv2.setNumThreads(cv2_threads)
