"""Configuration of C's allocator on Linux, to reuse the memory of freed tensors."""

from __future__ import annotations

import ctypes
import platform

# Parameters of glibc's mallopt.
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
_KEPT = 2**31 - 1  # bytes, the largest value of a C int


def keep_freed_memory() -> bool:
    """Let glibc keep up to 2 GB of freed memory in this process instead of returning it to the system.

    By default, glibc maps new memory for each large tensor, and the system clears all of its pages. On a CPU, this
    takes a third of the time of a network with large feature maps. The peak memory increases by a few percent.

    Returns:
        True if the allocator was configured; False with other C libraries.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    c = ctypes.CDLL(None)
    return bool(c.mallopt(_MMAP_MAX, 0) and c.mallopt(_TRIM_THRESHOLD, _KEPT))
