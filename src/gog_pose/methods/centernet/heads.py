"""CenterNet's heads: six per output, one per kind of map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import nn

from gog_pose.errors import InputError
from gog_pose.methods.branches import RARE, branch
from gog_pose.methods.centernet.records import CenterMaps, refined
from gog_pose.methods.method import FeatureMap
from gog_pose.skeleton import Skeleton
from gog_pose.system.options import Positive

_FORMS = ("conv", "separable")


class CenterHeads(nn.Module):
    """Heads for centers, keypoint heatmaps, offsets from centers, box sizes and both kinds of refinement offsets.

    Args:
        skeleton: Determines the number of maps.
        features: The feature maps that the heads are built on.
        offset_unit: Px of the input image per unit of the output of the heads of offsets and sizes (CenterNet's: the
            stride). The unit of refinement offsets is always the stride.
        form: Form of each head: ``conv``, CenterNet's, or ``separable``, MoveNet's (``branch``).
        refinements: ``shared``: one refinement offset for keypoints of all types. ``per_type``: one per type.

    Raises:
        InputError: The form or the kind of refinement offsets is unknown.
    """

    # Branches whose weights a network of another method can start from, by the meaning of their maps.
    BRANCHES: ClassVar[dict[str, str]] = {"keypoint responses": "heatmaps", "keypoint vectors": "offsets"}

    def __init__(
        self,
        skeleton: Skeleton,
        features: Sequence[FeatureMap],
        *,
        offset_unit: Positive = 1.0,
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
            return nn.ModuleList(branch(form, feature.channels, maps, bias) for feature in features)

        self.centers = heads(1, RARE)
        self.heatmaps = heads(skeleton.num_keypoints, RARE)
        self.offsets = heads(2 * skeleton.num_keypoints)
        self.sizes = heads(2)
        self.center_refinements = heads(2)
        self.refinements = heads(2 * len(refined(skeleton, refinements)))

    def forward(self, features: Sequence[torch.Tensor]) -> list[CenterMaps]:
        """Return the maps of each output in float32."""
        return [self._output(place, feature) for place, feature in enumerate(features)]

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments of the constructor."""
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
