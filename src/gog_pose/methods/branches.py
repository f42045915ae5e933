"""Branches of the heads: the layers between the features of a trunk and one kind of map."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from gog_pose.errors import InputError

RARE = -2.19  # bias for sigmoid responses: they start at 0.1, because most cells are background
_RESPONSES = ("linear", "sigmoid")
_INSIDE = 96  # channels inside a separable branch, MoveNet's
_LEAST_SPREAD = -2.0  # soft lower bound, log cells
_SPREAD_SLOPE = 0.01  # below this bound


def branch(form: str, channels: int, maps: int, bias: float = 0.0) -> nn.Module:
    """Build a branch.

    Args:
        form: ``linear``: a 1x1 convolution. ``conv``: a 3x3 convolution, ReLU and a 1x1 convolution, as CenterNet's.
            ``separable``: a 3x3 filter per channel, a 1x1 convolution to 96 channels, ReLU and a 1x1 convolution, as
            MoveNet's; for trunks of few channels.
        channels: Channels of the features.
        maps: Number of maps.
        bias: Initial value of the maps.
    """
    last = nn.Conv2d(channels if form != "separable" else _INSIDE, maps, 1)
    nn.init.constant_(last.bias, bias)  # type: ignore[arg-type]
    return _FORMS[form](channels, last)


def bounded_spreads(spreads: torch.Tensor) -> torch.Tensor:
    """Return spreads, log cells, with a soft lower bound of ``e^-2`` cells, as in later versions of PIFPAF's program.

    Without it a few exact vectors dominate the loss, and half precision overflows.

    Args:
        spreads: Output of a branch, log cells, of any shape.
    """
    return F.leaky_relu(spreads - _LEAST_SPREAD, _SPREAD_SLOPE) + _LEAST_SPREAD


def require_form(form: str) -> None:
    """Check the name of a form.

    Raises:
        InputError: The form is unknown.
    """
    if form not in _FORMS:
        raise InputError(f"heads.form: {form!r} is unknown; choose {', '.join(_FORMS)}")


def require_response(response: str) -> None:
    """Check the output of a heatmap head: ``linear`` for responses, ``sigmoid`` for their logits.

    Raises:
        InputError: The output is neither.
    """
    if response not in _RESPONSES:
        raise InputError(f"heads.response: {response!r} is unknown; choose {' or '.join(_RESPONSES)}")


def _linear(channels: int, last: nn.Conv2d) -> nn.Module:
    nn.init.normal_(last.weight, std=0.001)
    return last


def _conv(channels: int, last: nn.Conv2d) -> nn.Module:
    return nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(), last)


def _separable(channels: int, last: nn.Conv2d) -> nn.Module:
    filters = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
    return nn.Sequential(filters, nn.Conv2d(channels, _INSIDE, 1), nn.ReLU(), last)


_FORMS: dict[str, Callable[[int, nn.Conv2d], nn.Module]] = {
    "linear": _linear,
    "conv": _conv,
    "separable": _separable,
}
