"""The heads of Simple Pose: one branch for heatmaps and one for limb maps per supervised output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import nn

from gog_pose.methods.branches import RARE, branch, require_form, require_response
from gog_pose.methods.method import FeatureMap
from gog_pose.methods.simple_pose.body import body_of
from gog_pose.methods.simple_pose.records import SimplePoseMaps
from gog_pose.skeleton import Skeleton


class SimplePoseHeads(nn.Module):
    """Heads for heatmaps and limb maps of each supervised output.

    Args:
        skeleton: Keypoints and limbs.
        features: The feature maps that the heads are built on.
        body: The points and limbs that have maps (``body_of``).
        form: Form of each head (``branch``); ``linear`` is the public program's.
        response: Output of the heads: ``linear`` (the public program's) for responses, ``sigmoid`` for their logits.

    Raises:
        InputError: An option is unknown, or the skeleton has no such body.
    """

    # Branches whose weights a network of another method can start from, by the meaning of their maps.
    BRANCHES: ClassVar[dict[str, str]] = {"keypoint responses": "heatmap"}

    def __init__(
        self,
        skeleton: Skeleton,
        features: Sequence[FeatureMap],
        *,
        body: str = "skeleton",
        form: str = "linear",
        response: str = "linear",
    ) -> None:
        super().__init__()
        require_form(form)
        require_response(response)
        self._options = {"body": body, "form": form, "response": response}
        self._activation = nn.Sigmoid() if response == "sigmoid" else nn.Identity()
        own = body_of(skeleton, body)
        bias = RARE if response == "sigmoid" else 0.0
        self.heatmap = nn.ModuleList(branch(form, one.channels, own.num_keypoints, bias) for one in features)
        self.limb = nn.ModuleList(branch(form, one.channels, own.num_limbs, bias) for one in features)

    def forward(self, features: Sequence[torch.Tensor]) -> list[SimplePoseMaps]:
        """Return the maps of each output."""
        return [
            SimplePoseMaps(self._activation(heatmap(feature)), self._activation(limb(feature)))
            for heatmap, limb, feature in zip(self.heatmap, self.limb, features, strict=True)
        ]

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments of the constructor."""
        return dict(self._options)
