"""Peak memory. The peak of a process never decreases, so each measurement needs a new process."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path

import torch

from gog_pose.errors import InputError
from gog_pose.system.processes import Job, Result, map_in_processes

_STATUS = Path("/proc/self/status")
_M_MMAP_THRESHOLD = -3  # option of glibc's malloc.h: larger blocks are mapped separately


def in_own_process(function: Callable[[Job], Result], job: Job) -> Result:
    """Return ``function(job)``, called in a new process.

    Raises:
        InputError: The process was killed.
    """
    try:
        [result] = map_in_processes(function, [job], workers=1)
    except BrokenProcessPool:
        raise InputError(
            "benchmark: the process of a measurement was killed, most likely because memory ran out; measure a smaller"
            " model, size or batch"
        ) from None
    return result


def peak_memory(device: torch.device) -> int:
    """Return the peak memory so far, bytes: of all tensors on a GPU, of the whole process on a CPU.

    Raises:
        InputError: The system does not report the peak memory.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if not _STATUS.is_file():
        raise InputError(
            f"device: {_STATUS} is missing, which reports the peak memory on a CPU; use Linux or device=cuda"
        )
    lines = _STATUS.read_text().splitlines()
    kibibytes = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    return 1024 * kibibytes


@contextmanager
def freed_at_once(device: torch.device) -> Iterator[None]:
    """Make C's allocator return the memory of freed tensors to the system at once, which is slower.

    Otherwise the allocator keeps several hundred MB for a large network, in gaps between live tensors. On a GPU this is
    not necessary, because the peak counts only tensors.
    """
    if device.type != "cpu":
        yield
        return
    c = ctypes.CDLL(None)
    c.mallopt(_M_MMAP_THRESHOLD, 2**20)
    try:
        yield
    finally:
        c.mallopt(_M_MMAP_THRESHOLD, 2**25)  # the upper limit of glibc's dynamic threshold
