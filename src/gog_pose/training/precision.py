"""The precision of training: presets for CPUs choose by the CPU."""

from __future__ import annotations

import torch

NATIVE_BF16 = "bf16-if-native"


def resolved_precision(precision: str) -> str:
    """Return Lightning's name of a precision.

    Args:
        precision: One of Lightning's, or ``bf16-if-native``: mixed bfloat16 where the CPU computes in it, which halves
            the time of a step; float32 elsewhere, because emulated bfloat16 is six times slower.
    """
    if precision != NATIVE_BF16:
        return precision
    return "bf16-mixed" if has_native_bf16() else "32-true"


def has_native_bf16() -> bool:
    """Return whether the CPU has instructions for bfloat16 products: AVX-512 BF16, AMX, or those of ARM.

    False where PyTorch does not report what the CPU has.
    """
    cpu: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(bool(cpu.get(name)) for name in ("avx512_bf16", "amx_bf16", "bf16"))
