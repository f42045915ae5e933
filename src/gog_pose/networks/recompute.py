"""Recomputation of activations, which saves memory in training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


def run(unit: nn.Module, *inputs: torch.Tensor, recompute: bool) -> torch.Tensor:
    """Return ``unit(*inputs)``; the gradients and the running statistics are the same with and without ``recompute``.

    Args:
        unit: A deterministic module that returns one tensor.
        inputs: Inputs of the unit.
        recompute: Keep only the inputs, and run the unit again for the gradients.
    """
    if not (recompute and unit.training and torch.is_grad_enabled()):
        result: torch.Tensor = unit(*inputs)
        return result
    result = checkpoint(
        unit,
        *inputs,
        use_reentrant=False,
        preserve_rng_state=False,
        context_fn=lambda: (nullcontext(), _statistics_kept(unit)),
    )
    return result


@contextmanager
def _statistics_kept(module: nn.Module) -> Iterator[None]:
    """Do not update the running statistics, so that a batch that is computed a second time counts once."""
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm)]
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, (momentum, num_batches) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, num_batches
