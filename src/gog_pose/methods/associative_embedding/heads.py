"""The heads of Associative Embedding: heatmaps, tags and, as in HigherHRNet, heatmaps at half the stride."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import nn

from gog_pose.errors import InputError
from gog_pose.methods.associative_embedding.records import AssociativeMaps
from gog_pose.methods.branches import RARE, branch, require_form, require_response
from gog_pose.methods.method import FeatureMap
from gog_pose.skeleton import Skeleton

_BLOCKS = 4  # residual blocks at half the stride, HigherHRNet's


class AssociativeHeads(nn.Module):
    """Heads for heatmaps and tags of each supervised output, each a 1x1 convolution or a branch of several layers.

    With two resolutions, a transposed convolution upsamples the concatenated features, heatmaps and tags, and four
    residual blocks refine the result; a 1x1 convolution outputs the fine heatmaps (Cheng et al., "HigherHRNet", 2020,
    Sec. 3.2).

    Args:
        skeleton: Determines the number of maps.
        features: The feature maps that the heads are built on.
        resolutions: 1, or 2 for additional heatmaps at half the stride.
        form: Form of the branches of heatmaps and tags (``branch``); ``linear`` is the public program's.
        response: Output of the heatmap heads: ``linear`` for responses, ``sigmoid`` for their logits.

    Raises:
        InputError: An option is unknown.
    """

    # Branches whose weights a network of another method can start from, by the meaning of their maps.
    BRANCHES: ClassVar[dict[str, str]] = {"keypoint responses": "heatmap"}

    def __init__(
        self,
        skeleton: Skeleton,
        features: Sequence[FeatureMap],
        *,
        resolutions: int = 1,
        form: str = "linear",
        response: str = "linear",
    ) -> None:
        super().__init__()
        if resolutions not in (1, 2):
            raise InputError(f"heads.resolutions: must be 1 or 2, got {resolutions}")
        require_form(form)
        require_response(response)
        self._options = {"resolutions": resolutions, "form": form, "response": response}
        self._activation = nn.Sigmoid() if response == "sigmoid" else nn.Identity()
        types = skeleton.num_keypoints
        bias = RARE if response == "sigmoid" else 0.0
        self.heatmap = nn.ModuleList(branch(form, one.channels, types, bias) for one in features)
        self.tag = nn.ModuleList(branch(form, one.channels, types) for one in features)
        finer = features if resolutions == 2 else ()
        self.finer = nn.ModuleList(_finer(one.channels, 2 * types) for one in finer)
        self.fine_heatmap = nn.ModuleList(branch("linear", one.channels, types, bias) for one in finer)

    def forward(self, features: Sequence[torch.Tensor]) -> list[AssociativeMaps]:
        """Return the maps of each output."""
        return [self._output(place, feature) for place, feature in enumerate(features)]

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments of the constructor."""
        return dict(self._options)

    def _output(self, place: int, features: torch.Tensor) -> AssociativeMaps:
        heatmaps, tags = self.heatmap[place](features), self.tag[place](features)
        if not self.finer:
            return AssociativeMaps(self._activation(heatmaps), tags)
        finer = self.finer[place](torch.cat([features, heatmaps, tags], dim=1))
        fine_heatmaps = self.fine_heatmap[place](finer)
        return AssociativeMaps(self._activation(heatmaps), tags, self._activation(fine_heatmaps))


class _Residual(nn.Module):
    """Two 3x3 convolutions with batch normalization and a skip connection."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*(_conv_norm(channels) for _ in range(2)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(B, C, h, w)`` to the same shape."""
        first, second = self.body
        return torch.relu(second(torch.relu(first(x))) + x)


def _conv_norm(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))


def _finer(channels: int, maps: int) -> nn.Sequential:
    """Return the layers that compute features at half the stride from features and their maps."""
    return nn.Sequential(
        nn.ConvTranspose2d(channels + maps, channels, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
        *(_Residual(channels) for _ in range(_BLOCKS)),
    )
