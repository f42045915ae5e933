"""CenterNet's six heads a stack: a 3x3 convolution, ReLU and a 1x1 convolution for each kind of map."""

from __future__ import annotations

import torch
from torch import nn

from gog_pose.center.records import CenterMaps
from gog_pose.skeleton import Skeleton

_RARE = -2.19  # bias of a response: a sigmoid of 0.1, since nearly all cells are background


class CenterHeads(nn.Module):
    """Centres, keypoint heatmaps, offsets from centres to keypoints, box sizes, and both kinds of refinement offsets.

    Args:
        skeleton: Sets the number of maps.
        width: Channels of the features.
        stacks: Number of stacks.
        stride: Input px a cell; the unit of refinement offsets, since they are a cell long.
        offset_unit: Input px that one unit of the heads of offsets and sizes stands for (CenterNet's: the stride).
        refinement: Of no use here: refinement offsets belong to CenterNet's decoder.
    """

    def __init__(
        self, skeleton: Skeleton, width: int, stacks: int, stride: int, *, offset_unit: float, refinement: bool
    ) -> None:
        super().__init__()
        del refinement
        self._offset_unit = offset_unit
        self._stride = stride
        self.centers = _heads(width, 1, stacks, bias=_RARE)
        self.heatmaps = _heads(width, skeleton.num_keypoints, stacks, bias=_RARE)
        self.offsets = _heads(width, 2 * skeleton.num_keypoints, stacks)
        self.sizes = _heads(width, 2, stacks)
        self.center_refinements = _heads(width, 2, stacks)
        self.refinements = _heads(width, 2, stacks)

    def answer(self, stack: int, features: torch.Tensor) -> CenterMaps:
        """Return the maps of a stack in float32."""
        return CenterMaps(
            self.centers[stack](features).float().sigmoid(),
            self.heatmaps[stack](features).float().sigmoid(),
            self.offsets[stack](features).float() * self._offset_unit,
            self.sizes[stack](features).float() * self._offset_unit,
            self.center_refinements[stack](features).float() * self._stride,
            self.refinements[stack](features).float() * self._stride,
        )


def _heads(width: int, channels: int, stacks: int, bias: float = 0.0) -> nn.ModuleList:
    heads = nn.ModuleList()
    for _ in range(stacks):
        last = nn.Conv2d(width, channels, 1)
        nn.init.constant_(last.bias, bias)  # type: ignore[arg-type]
        heads.append(nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), last))
    return heads
