"""Peak memory. The mark never falls, so each measurement needs a process of its own."""

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
_M_MMAP_THRESHOLD = -3  # glibc's malloc.h: larger blocks are mapped one by one


def in_own_process(function: Callable[[Job], Result], job: Job) -> Result:
    """Return ``function(job)``, called in a process that is started for it and ends with it.

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
    """Return the most memory used so far, bytes: of all tensors on a GPU, of the whole process on a CPU.

    Raises:
        InputError: The system does not report it.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if not _STATUS.is_file():
        raise InputError(
            f"device: the peak memory of a process on the CPU is read from {_STATUS}, which only Linux has"
        )
    lines = _STATUS.read_text().splitlines()
    kibibytes = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    return 1024 * kibibytes


@contextmanager
def freed_at_once(device: torch.device) -> Iterator[None]:
    """Let C's allocator return the memory of a freed tensor to the system meanwhile, which takes time.

    Otherwise it holds back several hundred MB of a large network's, in gaps between tensors that live on. The mark of
    a GPU counts tensors only, so that nothing is to be done there.
    """
    if device.type != "cpu":
        yield
        return
    c = ctypes.CDLL(None)
    c.mallopt(_M_MMAP_THRESHOLD, 2**20)
    try:
        yield
    finally:
        c.mallopt(_M_MMAP_THRESHOLD, 2**25)  # where glibc's own adaptation ends
