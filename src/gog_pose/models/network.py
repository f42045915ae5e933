"""The pose network: a trunk and, on each stack, the heads of a way of grouping."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch
from torch import nn

from gog_pose.errors import InputError
from gog_pose.interfaces import Maps
from gog_pose.models.heads import HEADS
from gog_pose.models.hourglass import Hourglass
from gog_pose.skeleton import Skeleton


class PoseNetwork(nn.Module):
    """Image to the maps of a way of grouping, once for each stack: for ``gog`` heatmaps and guiding offsets.

    Args:
        skeleton: Sets the number of maps.
        trunk: Features at the output stride.
        grouping: Which maps: ``gog``, the paper's, or ``center``, CenterNet's.
        offset_unit: Input px that one unit of the offset heads stands for. 1 is the public code's; a larger unit lets
            a network that starts from scratch reach offsets of a hundred px with small weights, and keeps them precise
            in half precision.
        refinement: Whether ``gog`` has a head for refinement offsets. Any number but 0 means yes, so that the encoder's
            option can stand here: no head without targets for it.

    Raises:
        InputError: There is no such way of grouping.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        trunk: Hourglass,
        *,
        grouping: str = "gog",
        offset_unit: float = 1.0,
        refinement: int = 0,
    ) -> None:
        super().__init__()
        if grouping not in HEADS:
            raise InputError(f"model.grouping: {grouping!r} is unknown; choose {' or '.join(HEADS)}")
        self.skeleton = skeleton
        self.trunk = trunk
        self.grouping = grouping
        self.offset_unit = offset_unit
        self.refinement = bool(refinement)
        for module in self.trunk.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        self.heads = HEADS[grouping](
            skeleton,
            trunk.out_channels,
            len(trunk.hourglasses),
            trunk.stride,
            offset_unit=offset_unit,
            refinement=self.refinement,
        )

    @property
    def stride(self) -> int:
        """Input px a cell of the maps."""
        return self.trunk.stride

    @property
    def max_stride(self) -> int:
        """Both sides of an input must be multiples of this, px."""
        return self.trunk.max_stride

    def forward(self, images: torch.Tensor) -> list[Maps]:
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

    def _answer(self, stack: int, features: torch.Tensor) -> Maps:
        # In the precision of the weights also under autocast: bfloat16 rounds a response near 1 to 1/256, which moves
        # a peak by half a px, and an offset of 300 px to 2 px.
        # An exported graph runs without autocast, and torch.export cannot read one that switches it off.
        exporting = torch.compiler.is_exporting()
        with nullcontext() if exporting else torch.autocast(features.device.type, enabled=False):
            maps: Maps = self.heads.answer(stack, features.to(next(self.heads.parameters()).dtype))
            return maps

    def to_dict(self) -> dict[str, Any]:
        """Plain options, for checkpoints."""
        options = {name: getattr(self, name) for name in ("grouping", "offset_unit", "refinement")}
        return {"trunk": self.trunk.to_dict(), **options}

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
