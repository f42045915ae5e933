"""Timing of functions against each other."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
import torch

_LEAST = 0.005  # s that a measurement takes


def time_in_turn(functions: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, dict[str, float]]:
    """Time all functions in turn, ``repeats`` times, each for a few milliseconds and after a call that is not timed.

    So each finds memory and caches as it leaves them itself; what another one that allocates much has left behind
    doubles the time of a call.

    Returns:
        For each function ``median``, ``low`` and ``high`` (the quartiles) of a call, ms of CPU time of this process:
        what other processes do meanwhile counts little.
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
    """Return the CPU time of a call, s, the mean of some in a row."""
    start = time.process_time()
    for _ in range(calls):
        function()
    return (time.process_time() - start) / calls


def quartiles(values: Sequence[float]) -> dict[str, float]:
    """Return ``median``, ``low`` and ``high``, the quartiles."""
    return dict(zip(("median", "low", "high"), np.percentile(values, (50, 25, 75)).tolist(), strict=True))


def seconds(device: torch.device) -> float:
    """Return the time, for differences: CPU time of this process where one thread of a CPU does all, else wall time.

    What a GPU was told to do is waited for.
    """
    if device.type == "cpu" and torch.get_num_threads() == 1:
        return time.process_time()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


@contextmanager
def one_thread() -> Iterator[None]:
    """Let PyTorch and OpenCV use one thread meanwhile."""
    torch_threads, cv2_threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        torch.set_num_threads(torch_threads)
        cv2.setNumThreads(cv2_threads)
