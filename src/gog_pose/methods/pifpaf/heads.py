"""PIFPAF's heads: one branch per field."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from gog_pose.methods.branches import RARE, bounded_spreads, branch, require_form
from gog_pose.methods.method import FeatureMap
from gog_pose.methods.pifpaf.records import PifpafMaps, require_limbs
from gog_pose.skeleton import Skeleton
from gog_pose.system.options import Count

_SUREST = 12.0  # soft bound of the logit of a response
_LOGIT_SLOPE = 0.001  # beyond this bound


class PifpafHeads(nn.Module):
    """Heads for responses, vectors and their spreads, and scales: ``5 K + 7 L`` maps of each supervised output.

    Lengths are predicted in cells of the fields. Spreads have a soft lower bound (``bounded_spreads``). Logits of
    responses also have soft bounds, because a sigmoid that rounds to 0 or 1 has no gradient and errors would remain.

    Args:
        skeleton: Determines the number of maps.
        features: The feature maps that the heads are built on.
        coarser: Cells of the features per cell of the fields, along an axis; the features are averaged.
        form: Form of each head (``branch``); ``linear`` is the public program's.

    Raises:
        InputError: The form is unknown, or the skeleton has no limbs.
    """

    # Branch whose weights a network of another method can start from, by the meaning of its maps.
    BRANCHES: ClassVar[dict[str, str]] = {"keypoint responses": "heatmaps"}

    def __init__(
        self, skeleton: Skeleton, features: Sequence[FeatureMap], *, coarser: Count = 1, form: str = "linear"
    ) -> None:
        super().__init__()
        require_limbs(skeleton)
        require_form(form)
        self._options = {"coarser": coarser, "form": form}
        self._coarser = coarser
        self._strides = [feature.stride * coarser for feature in features]
        types, limbs = skeleton.num_keypoints, skeleton.num_limbs

        def heads(maps: int, bias: float = 0.0) -> nn.ModuleList:
            return nn.ModuleList(branch(form, feature.channels, maps, bias) for feature in features)

        self.heatmaps = heads(types, RARE)
        self.vectors = heads(2 * types)
        self.spreads = heads(types)
        self.scales = heads(types)
        self.limb_heatmaps = heads(limbs, RARE)
        self.limb_vectors = heads(4 * limbs)
        self.limb_spreads = heads(2 * limbs)

    def forward(self, features: Sequence[torch.Tensor]) -> list[PifpafMaps]:
        """Return the maps of each output in float32."""
        return [self._output(place, feature) for place, feature in enumerate(features)]

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments of the constructor."""
        return dict(self._options)

    def _output(self, place: int, features: torch.Tensor) -> PifpafMaps:
        if self._coarser > 1:
            features = F.avg_pool2d(features, self._coarser)
        stride = self._strides[place]
        return PifpafMaps(
            _responses(self.heatmaps[place](features).float()),
            self.vectors[place](features).float() * stride,
            bounded_spreads(self.spreads[place](features).float()) + math.log(stride),
            F.softplus(self.scales[place](features).float()) * stride,
            _responses(self.limb_heatmaps[place](features).float()),
            self.limb_vectors[place](features).float() * stride,
            bounded_spreads(self.limb_spreads[place](features).float()) + math.log(stride),
        )


def _responses(logits: torch.Tensor) -> torch.Tensor:
    """Return sigmoids of softly bounded logits."""
    inside = logits.clamp(-_SUREST, _SUREST)
    return (inside + _LOGIT_SLOPE * (logits - inside)).sigmoid()
