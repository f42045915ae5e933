"""Work on all cores: processes of one thread each."""

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

_CHUNK = 8  # jobs sent at once
_function: Callable[[Any], Any]  # of a worker, sent once instead of with every job


def available_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_in_processes(function: Callable[[Job], Result], jobs: Sequence[Job], workers: int) -> Iterator[Result]:
    """Yield ``function(job)`` of every job, in order.

    Args:
        function: Must be picklable, as must its results.
        jobs: Its arguments.
        workers: Number of processes; 0 = do it in this one.
    """
    if workers == 0:
        yield from map(function, jobs)
        return
    # Not forked from this process, whose threads would not survive it. The server imports once for all workers.
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    if "forkserver" in methods:
        context.set_forkserver_preload([__name__, getattr(function, "func", function).__module__])  # of a partial, too
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
