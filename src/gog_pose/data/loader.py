"""The DataLoader of all data sets, which avoids a deadlock of loading processes after collective operations."""

from __future__ import annotations

import sys
import time
from typing import Any, TypeVar

import torch.distributed as dist
from torch.utils.data import DataLoader

Batch = TypeVar("Batch", covariant=True)

# Before Python 3.12, a forked process may wait forever if another thread, such as one that has just finished a
# collective operation, was about to acquire Python's lock: https://github.com/python/cpython/issues/112275
_FORK_MAY_HANG = sys.version_info < (3, 12)
_PAUSE = 0.05  # s; such a thread needs microseconds


class Loader(DataLoader[Batch]):
    """A DataLoader that waits for the threads of collective operations before it starts loading processes."""

    def __iter__(self) -> Any:
        """Iterate as ``DataLoader`` does."""
        if _FORK_MAY_HANG and self.num_workers and dist.is_available() and dist.is_initialized():
            time.sleep(_PAUSE)
        return super().__iter__()
