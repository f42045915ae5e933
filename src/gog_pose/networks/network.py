"""The pose network: a trunk, an optional neck, and the heads of a method."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import nn

from gog_pose.errors import InputError
from gog_pose.methods import load_method, method_of
from gog_pose.methods.method import FeatureMap, Maps
from gog_pose.networks.necks import Neck, build_neck, describe_neck
from gog_pose.networks.stored_features import StoredFeatures
from gog_pose.networks.trunk import Trunk, build_trunk, describe_trunk
from gog_pose.skeleton import Skeleton
from gog_pose.system.options import check_arguments, shown


class PoseNetwork(nn.Module):
    """Network that predicts the maps of a method for an image, once per supervised output.

    The weights of the trunk are not initialized again.

    Args:
        skeleton: Determines the number of maps.
        trunk: Converts images to feature maps.
        heads: Builds the heads from the skeleton and the feature maps.
        neck: Layers between trunk and heads; None = no neck.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        trunk: Trunk,
        heads: Callable[[Skeleton, Sequence[FeatureMap]], Any],
        neck: Neck | None = None,
    ) -> None:
        super().__init__()
        self.skeleton = skeleton
        self.trunk = trunk
        self.neck = neck
        self.stored_features: StoredFeatures | None = None  # replaces a frozen trunk
        self.heads: nn.Module = heads(skeleton, self.feature_maps)

    @property
    def feature_maps(self) -> Sequence[FeatureMap]:
        """The feature maps that the heads are built on."""
        return self.trunk.feature_maps if self.neck is None else self.neck.feature_maps

    @property
    def stride(self) -> int:
        """Px of the input image per cell of the features."""
        return self.feature_maps[-1].stride

    @property
    def max_stride(self) -> int:
        """Both sides of an input must be multiples of this, px."""
        return self.trunk.max_stride

    @property
    def method(self) -> str:
        """Name of the method of the heads."""
        return method_of(self.heads)

    def forward(self, images: torch.Tensor) -> list[Maps]:
        """Predict the maps of a batch of images.

        Args:
            images: ``(B, 3, H, W)`` normalized, sides multiples of ``max_stride``.

        Returns:
            The maps of each supervised output, of which the last is final; all lengths are float32 px of the input
            image.
        """
        features = self.trunk(images) if self.stored_features is None else self.stored_features(images)
        if self.neck is not None:
            features = self.neck(features)
        # The heads run in the precision of the weights, also under autocast: bfloat16 rounds a response near 1 to
        # 1/256, which moves a peak by half a px, and an offset of 300 px to 2 px.
        # An exported graph runs without autocast, and torch.export does not support code that disables it.
        exporting = torch.compiler.is_exporting()
        with nullcontext() if exporting else torch.autocast(images.device.type, enabled=False):
            dtype = next(self.heads.parameters()).dtype
            outputs: list[Maps] = self.heads([feature.to(dtype) for feature in features])
            return outputs

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for checkpoints, from which ``from_dict`` builds the same network."""
        neck = {} if self.neck is None else {"neck": describe_neck(self.neck)}
        return {"trunk": describe_trunk(self.trunk), **neck, "heads": self.heads.options()}  # type: ignore[operator]

    @classmethod
    def from_dict(cls, skeleton: Skeleton, method: str, description: Mapping[str, Any]) -> PoseNetwork:
        """Build a network from the output of ``to_dict``.

        Raises:
            InputError: The description is not that of a network.
        """
        build_heads = load_method(method).heads
        try:
            trunk = build_trunk(**description["trunk"])
            neck = build_neck(trunk.feature_maps, **description["neck"]) if "neck" in description else None
            options = description["heads"]
            check_arguments(build_heads, options, "method.heads")
            return cls(skeleton, trunk, lambda *arguments: build_heads(*arguments, **options), neck)
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"network: {shown(description)} is not a network of this version ({error})") from error


def assembled(
    skeleton: Skeleton,
    trunk: Trunk,
    neck: Mapping[str, Any] | None,
    heads: Callable[[Skeleton, Sequence[FeatureMap]], Any],
) -> PoseNetwork:
    """Build a network from a trunk, the name and options of a neck, and the constructor of heads."""
    return PoseNetwork(skeleton, trunk, heads, build_neck(trunk.feature_maps, **neck) if neck else None)
