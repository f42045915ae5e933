"""CenterNet's six heads per output, one for each kind of map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from gog_pose.errors import InputError
from gog_pose.methods.centernet.records import CenterMaps, refined
from gog_pose.methods.method import FeatureMap
from gog_pose.skeleton import Skeleton

_RARE = -2.19  # bias of a response: a sigmoid of 0.1, since nearly all cells are background
_INSIDE = 96  # channels inside a separable head, MoveNet's


class CenterHeads(nn.Module):
    """Centers, keypoint heatmaps, offsets from centers to keypoints, box sizes, and both kinds of refinement offsets.

    Args:
        skeleton: Sets the number of maps.
        features: The feature maps that the heads are built on.
        offset_unit: Input px that one unit of the heads of offsets and sizes represents (CenterNet's: the stride).
            That of refinement offsets is the stride, since they are a cell long.
        form: What a head is. ``conv``: a 3x3 convolution, ReLU and a 1x1 convolution, as CenterNet's. ``separable``: a
            3x3 filter for each channel, a 1x1 convolution to 96 channels, ReLU and a 1x1 convolution, as MoveNet's; for
            trunks of few channels.
        refinements: ``shared``: one refinement offset for keypoints of all types. ``per_type``: one for each type.

    Raises:
        InputError: The form or the kind of refinement offsets is unknown.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        features: Sequence[FeatureMap],
        *,
        offset_unit: float = 1.0,
        form: str = "conv",
        refinements: str = "shared",
    ) -> None:
        super().__init__()
        if form not in _FORMS:
            raise InputError(f"heads.form: {form!r} is unknown; choose {' or '.join(_FORMS)}")
        self._options = {"offset_unit": offset_unit, "form": form, "refinements": refinements}
        self._offset_unit = offset_unit
        self._strides = [feature.stride for feature in features]

        def heads(maps: int, bias: float = 0.0) -> nn.ModuleList:
            return nn.ModuleList(_FORMS[form](feature.channels, maps, bias) for feature in features)

        self.centers = heads(1, _RARE)
        self.heatmaps = heads(skeleton.num_keypoints, _RARE)
        self.offsets = heads(2 * skeleton.num_keypoints)
        self.sizes = heads(2)
        self.center_refinements = heads(2)
        self.refinements = heads(2 * len(refined(skeleton, refinements)))

    def forward(self, features: Sequence[torch.Tensor]) -> list[CenterMaps]:
        """Return the maps of each output in float32."""
        return [self._output(place, feature) for place, feature in enumerate(features)]

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments that heads like these are built with."""
        return dict(self._options)

    def _output(self, place: int, features: torch.Tensor) -> CenterMaps:
        stride = self._strides[place]
        return CenterMaps(
            self.centers[place](features).float().sigmoid(),
            self.heatmaps[place](features).float().sigmoid(),
            self.offsets[place](features).float() * self._offset_unit,
            self.sizes[place](features).float() * self._offset_unit,
            self.center_refinements[place](features).float() * stride,
            self.refinements[place](features).float() * stride,
        )


def _conv(channels: int, maps: int, bias: float) -> nn.Sequential:
    last = _last(channels, maps, bias)
    return nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(), last)


def _separable(channels: int, maps: int, bias: float) -> nn.Sequential:
    last = _last(_INSIDE, maps, bias)
    filters = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
    return nn.Sequential(filters, nn.Conv2d(channels, _INSIDE, 1), nn.ReLU(), last)


def _last(channels: int, maps: int, bias: float) -> nn.Conv2d:
    """Return the convolution that gives the maps, with the bias it starts from."""
    last = nn.Conv2d(channels, maps, 1)
    nn.init.constant_(last.bias, bias)  # type: ignore[arg-type]
    return last


_FORMS = {"conv": _conv, "separable": _separable}
