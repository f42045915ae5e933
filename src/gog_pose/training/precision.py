"""Numerical precision of training, with a preset that depends on the CPU."""

from __future__ import annotations

import torch

NATIVE_BF16 = "bf16-if-native"


def resolved_precision(precision: str) -> str:
    """Return Lightning's name of a precision.

    Args:
        precision: A precision of Lightning, or ``bf16-if-native``: mixed bfloat16 on CPUs with native bfloat16, where
            it halves the time of a step; float32 on others, where emulated bfloat16 is six times slower.
    """
    if precision != NATIVE_BF16:
        return precision
    return "bf16-mixed" if has_native_bf16() else "32-true"


def has_native_bf16() -> bool:
    """Return whether the CPU has instructions for bfloat16 products: AVX-512 BF16, AMX, or ARM BF16.

    False if PyTorch does not report the capabilities of the CPU.
    """
    cpu: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(bool(cpu.get(name)) for name in ("avx512_bf16", "amx_bf16", "bf16"))
