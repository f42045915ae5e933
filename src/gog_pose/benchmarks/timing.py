"""Timing of functions against each other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
import torch


def time_in_turn(functions: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, dict[str, float]]:
    """Call all functions once to warm up, then all of them in turn, ``repeats`` times.

    Returns:
        For each function ``median``, ``low`` and ``high`` (the quartiles), ms of CPU time of this process: what other
        processes do meanwhile counts little.
    """
    times: dict[str, list[float]] = {name: [] for name in functions}
    for function in functions.values():
        function()
    for _ in range(repeats):
        for name, function in functions.items():
            start = time.process_time()
            function()
            times[name].append(1e3 * (time.process_time() - start))
    quartiles = {name: np.percentile(values, (50, 25, 75)).tolist() for name, values in times.items()}
    return {name: dict(zip(("median", "low", "high"), values, strict=True)) for name, values in quartiles.items()}


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
