"""The heads of the paper's method: a 1x1 convolution per kind of map (Sec. 2.5), or a branch of several layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import nn

from gog_pose.methods.branches import RARE, bounded_spreads, branch, require_form, require_response
from gog_pose.methods.gog.records import PoseMaps, require_limbs
from gog_pose.methods.method import FeatureMap
from gog_pose.skeleton import Skeleton
from gog_pose.system.options import Positive


class GogHeads(nn.Module):
    """Heads for heatmaps, guiding offsets and, optionally, refinement offsets and spreads of each supervised output.

    Args:
        skeleton: Determines the number of maps.
        features: The feature maps that the heads are built on.
        offset_unit: Px of the input image per unit of the offset heads' output. The public code has 1. With a larger
            unit, a network that is trained from scratch predicts offsets of a hundred px with small weights, and they
            remain precise in half precision.
        refinement: Whether there is a head for refinement offsets. Any number except 0 means yes, so that the encoder's
            option can be passed and the head exists only with targets.
        form: Form of each head (``branch``); ``linear`` is the paper's.
        response: Output of the heatmap head: ``linear`` (the paper's) for responses, ``sigmoid`` for their logits, as
            in CenterNet and MoveNet, whose weights can then be used.
        spread: Whether there is a head for the spreads of the guiding offsets, as in PIFPAF. They start at one cell and
            have a soft lower bound of ``e^-2`` cells (``bounded_spreads``).

    Raises:
        InputError: The form or the kind of response is unknown.
    """

    # Branches whose weights a network of another method can start from, by the meaning of their maps.
    BRANCHES: ClassVar[dict[str, str]] = {"keypoint responses": "heatmap", "keypoint vectors": "offset"}

    def __init__(
        self,
        skeleton: Skeleton,
        features: Sequence[FeatureMap],
        *,
        offset_unit: Positive = 1.0,
        refinement: int | bool = 0,
        form: str = "linear",
        response: str = "linear",
        spread: bool = False,
    ) -> None:
        super().__init__()
        require_limbs(skeleton)
        require_form(form)
        require_response(response)
        self._offset_unit = offset_unit
        self._form = form
        self._response = response
        self._refines = bool(refinement)
        self._spreads = spread
        self._strides = [feature.stride for feature in features]  # the unit of refinement offsets and spreads is a cell

        def heads(maps: int, bias: float = 0.0) -> nn.ModuleList:
            return nn.ModuleList(branch(form, feature.channels, maps, bias) for feature in features)

        self.heatmap = heads(skeleton.num_keypoints, RARE if response == "sigmoid" else 0.0)
        self.offset = heads(2 * skeleton.num_limbs)
        self.refinement = heads(2) if refinement else nn.ModuleList()
        self.spread = heads(skeleton.num_limbs) if spread else nn.ModuleList()

    def forward(self, features: Sequence[torch.Tensor]) -> list[PoseMaps]:
        """Return the maps of each output; offsets and spreads in float32, of px of the input image."""
        return [self._output(place, feature) for place, feature in enumerate(features)]

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments of the constructor."""
        return {
            "offset_unit": self._offset_unit,
            "refinement": self._refines,
            "form": self._form,
            "response": self._response,
            "spread": self._spreads,
        }

    def _output(self, place: int, features: torch.Tensor) -> PoseMaps:
        offsets = self.offset[place](features).float() * self._offset_unit
        refinements = self.refinement[place](features).float() * self._strides[place] if self._refines else None
        spreads = None
        if self._spreads:
            spreads = bounded_spreads(self.spread[place](features).float()) + math.log(self._strides[place])
        responses = self.heatmap[place](features)
        responses = responses.sigmoid() if self._response == "sigmoid" else responses
        return PoseMaps(responses, offsets, refinements, spreads)
