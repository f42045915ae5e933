"""Parallel map over single-threaded processes."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

import cv2
import torch

from gog_pose.system.interrupts import leave_to_parent

Job = TypeVar("Job")
Result = TypeVar("Result")

_CHUNK = 8  # jobs per message to a worker
_function: Callable[[Any], Any]  # function of a worker, sent once instead of with each job


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_in_processes(function: Callable[[Job], Result], jobs: Sequence[Job], workers: int) -> Iterator[Result]:
    """Yield ``function(job)`` for each job, in order.

    Args:
        function: Picklable function with picklable results.
        jobs: Arguments of the function.
        workers: Number of processes; 0 = use this process.
    """
    if workers == 0:
        yield from map(function, jobs)
        return
    # Workers are not forked from this process, because its threads would not survive. The fork server imports modules
    # once for all workers.
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    if "forkserver" in methods:
        context.set_forkserver_preload([__name__, getattr(function, "func", function).__module__])  # also for a partial
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_start, initargs=(function,)) as pool:
        yield from pool.map(_work, jobs, chunksize=_CHUNK)


def _start(function: Callable[[Any], Any]) -> None:
    global _function
    _function = function
    leave_to_parent()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def _work(job: Any) -> Any:
    return _function(job)
