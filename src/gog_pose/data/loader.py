"""The DataLoader of all data: PyTorch's, whose processes start also where devices have just spoken to each other."""

from __future__ import annotations

import sys
import time
from typing import Any, TypeVar

import torch.distributed as dist
from torch.utils.data import DataLoader

Batch = TypeVar("Batch", covariant=True)

# Before 3.12 a process that Python forks waits for ever if another thread, such as one that has just ended a
# collective, was about to ask for Python's lock: https://github.com/python/cpython/issues/112275
_FORK_MAY_HANG = sys.version_info < (3, 12)
_PAUSE = 0.05  # s; such a thread needs microseconds


class Loader(DataLoader[Batch]):
    """A DataLoader that lets the threads of collectives come to rest before it starts loading processes."""

    def __iter__(self) -> Any:
        """Iterate, as ``DataLoader`` does."""
        if _FORK_MAY_HANG and self.num_workers and dist.is_available() and dist.is_initialized():
            time.sleep(_PAUSE)
        return super().__iter__()
