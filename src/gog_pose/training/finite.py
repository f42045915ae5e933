"""Check of the loss for infinite or undefined values."""

from __future__ import annotations

import math

import torch

from gog_pose.errors import InputError
from gog_pose.methods.losses import LossTerms


class NotFiniteError(InputError):
    """The loss is infinite or not a number."""


def require_finite(terms: LossTerms, image_ids: torch.Tensor) -> None:
    """Check that the loss is finite, because a step with an infinite loss would destroy the weights.

    Args:
        terms: Loss terms of a batch.
        image_ids: ``(B,)`` image ids of the batch.

    Raises:
        NotFiniteError: A term is infinite or not a number; the message names the term and the images.
    """
    if bool(terms.total.isfinite()):
        return
    wrong = [
        f"{name} of stack {stack} is {value}"
        for name, part in terms.parts.items()
        for stack, value in enumerate(part.tolist())
        if not math.isfinite(value)
    ]
    images = ", ".join(map(str, image_ids.tolist()))
    raise NotFiniteError(
        f"training: the loss is not finite ({'; '.join(wrong) or 'total'}) on images {images}; lower"
        " optim.optimizer.lr, set trainer.gradient_clip_val, or use trainer.precision=32-true, then continue with"
        " resume="
    )
