"""Detection of out-of-memory errors, which differ between libraries."""

from __future__ import annotations

import cv2
import torch


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error of Python, NumPy, OpenCV or PyTorch reports insufficient memory."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    if isinstance(error, cv2.error):
        return error.code == cv2.Error.StsNoMem
    return isinstance(error, RuntimeError) and "alloc" in str(error) and "memory" in str(error)  # PyTorch on a CPU
