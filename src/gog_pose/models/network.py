"""The pose network: a trunk and, on each stack, one 1x1 convolution for each kind of map (Sec. 2.5)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from gog_pose.errors import InputError
from gog_pose.models.hourglass import Hourglass
from gog_pose.records import PoseMaps
from gog_pose.skeleton import Skeleton


class PoseNetwork(nn.Module):
    """Image to keypoint heatmaps, guiding offsets and, if asked for, refinement offsets, once for each stack.

    Args:
        skeleton: Sets the number of maps.
        trunk: Features at the output stride.
        offset_unit: Input px that one unit of the offset heads stands for. 1 is the public code's; a larger unit lets
            a network that starts from scratch reach offsets of a hundred px with small weights, and keeps them precise
            in half precision.
        refinement: Whether there is a head for refinement offsets. Its unit is the stride, since they are a cell long.
            Any number but 0 means yes, so that the encoder's option can stand here: no head without targets for it.
    """

    def __init__(self, skeleton: Skeleton, trunk: Hourglass, *, offset_unit: float = 1.0, refinement: int = 0) -> None:
        super().__init__()
        self.skeleton = skeleton
        self.trunk = trunk
        self.offset_unit = offset_unit
        self.refinement = bool(refinement)
        stacks = range(len(trunk.hourglasses))
        width = trunk.out_channels
        self.heatmap_heads = nn.ModuleList(nn.Conv2d(width, skeleton.num_keypoints, 1) for _ in stacks)
        self.offset_heads = nn.ModuleList(nn.Conv2d(width, 2 * skeleton.num_limbs, 1) for _ in stacks)
        self.refinement_heads = nn.ModuleList(nn.Conv2d(width, 2, 1) for _ in stacks if refinement)
        for module in self.trunk.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        for head in (*self.heatmap_heads, *self.offset_heads, *self.refinement_heads):
            nn.init.normal_(head.weight, std=0.001)
            nn.init.zeros_(head.bias)

    @property
    def stride(self) -> int:
        """Input px a cell of the maps."""
        return self.trunk.stride

    @property
    def max_stride(self) -> int:
        """Both sides of an input must be multiples of this, px."""
        return self.trunk.max_stride

    def forward(self, images: torch.Tensor) -> list[PoseMaps]:
        """Answer a batch of images.

        Args:
            images: ``(B, 3, H, W)`` normalised, sides multiples of ``max_stride``.

        Returns:
            The maps of each stack, the last is the final answer; all offsets in float32 px of the input image.
        """
        answers = []
        for stack, features in enumerate(self.trunk(images)):
            answers.append(self._answer(stack, features))
        return answers

    def _answer(self, stack: int, features: torch.Tensor) -> PoseMaps:
        # In the precision of the weights also under autocast: bfloat16 rounds a response near 1 to 1/256, which moves
        # a peak by half a px, and an offset of 300 px to 2 px.
        with torch.autocast(features.device.type, enabled=False):
            features = features.to(next(self.heatmap_heads.parameters()).dtype)
            offsets = self.offset_heads[stack](features).float() * self.offset_unit
            refinements = self.refinement_heads[stack](features).float() * self.stride if self.refinement else None
            return PoseMaps(self.heatmap_heads[stack](features), offsets, refinements)

    def to_dict(self) -> dict[str, Any]:
        """Plain options, for checkpoints."""
        return {"trunk": self.trunk.to_dict(), "offset_unit": self.offset_unit, "refinement": self.refinement}

    @classmethod
    def from_dict(cls, skeleton: Skeleton, options: dict[str, Any]) -> PoseNetwork:
        """Build the network that ``to_dict`` described.

        Raises:
            InputError: The options are not those of a network.
        """
        try:
            return cls(skeleton, Hourglass(**options["trunk"]), **{k: v for k, v in options.items() if k != "trunk"})
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"network: {options} does not describe a network of this version ({error})") from error
