"""PersonLab's heads: a 1x1 convolution per kind of map, or a branch of several layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import nn

from gog_pose.methods.branches import RARE, branch, require_form
from gog_pose.methods.method import FeatureMap
from gog_pose.methods.personlab.records import PersonLabMaps, edges
from gog_pose.skeleton import Skeleton
from gog_pose.system.options import Positive


class PersonLabHeads(nn.Module):
    """Heads for heatmaps, short-range and mid-range offsets of each supervised output.

    The heads do not refine mid-range offsets, because views are merged first; loss and decoder refine them.

    Args:
        skeleton: Determines the number of maps.
        features: The feature maps that the heads are built on.
        offset_unit: Px of the input image per unit of the mid-range heads' output; with a large unit, a network
            predicts long offsets with small weights. The unit of the short-range heads is the stride.
        form: Form of each head (``branch``); ``linear`` is the paper's.

    Raises:
        InputError: The form is unknown, or the skeleton has no limbs.
    """

    # Branches whose weights a network of another method can start from, by the meaning of their maps.
    BRANCHES: ClassVar[dict[str, str]] = {"keypoint responses": "heatmap", "keypoint vectors": "mid"}

    def __init__(
        self,
        skeleton: Skeleton,
        features: Sequence[FeatureMap],
        *,
        offset_unit: Positive = 1.0,
        form: str = "linear",
    ) -> None:
        super().__init__()
        require_form(form)
        self._options = {"offset_unit": offset_unit, "form": form}
        self._offset_unit = offset_unit
        self._strides = [feature.stride for feature in features]

        def heads(maps: int, bias: float = 0.0) -> nn.ModuleList:
            return nn.ModuleList(branch(form, feature.channels, maps, bias) for feature in features)

        self.heatmap = heads(skeleton.num_keypoints, RARE)
        self.short = heads(2 * skeleton.num_keypoints)
        self.mid = heads(2 * len(edges(skeleton)))

    def forward(self, features: Sequence[torch.Tensor]) -> list[PersonLabMaps]:
        """Return the maps of each output in float32."""
        return [
            PersonLabMaps(
                self.heatmap[place](feature).float().sigmoid(),
                self.short[place](feature).float() * self._strides[place],
                self.mid[place](feature).float() * self._offset_unit,
            )
            for place, feature in enumerate(features)
        ]

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments of the constructor."""
        return dict(self._options)
