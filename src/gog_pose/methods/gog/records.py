"""Maps, targets and fields of the paper's method."""

from __future__ import annotations

from typing import NamedTuple

import torch

from gog_pose.errors import InputError
from gog_pose.maps.fields import Field
from gog_pose.skeleton import Skeleton


class PoseMaps(NamedTuple):
    """The maps that the network predicts.

    Attributes:
        heatmaps: ``(B, K, h, w)`` keypoint responses.
        offsets: ``(B, 2L, h, w)`` guiding offsets, px of the input image, interleaved ``x_0, y_0, x_1, ...``.
        refinements: ``(B, 2, h, w)`` refinement offsets x and y, px of the input image: from a cell to the nearest
            keypoint of any type. None if the network has no such head.
        spreads: ``(B, L, h, w)`` log b of each limb's guiding offset: b, in px of the input image, is the scale of the
            Laplace distribution of its error. None if the network has no such head.
    """

    heatmaps: torch.Tensor
    offsets: torch.Tensor
    refinements: torch.Tensor | None = None
    spreads: torch.Tensor | None = None


class PoseTargets(NamedTuple):
    """The targets of the network; one image, or a batch with a leading dimension. Spreads have no targets.

    Attributes:
        heatmaps: ``(K, h, w)`` Gaussian responses in [0, 1].
        offsets: ``(2L, h, w)`` guiding offsets, px of the input image, interleaved ``x_0, y_0, x_1, ...``; 0 where
            the weight is 0.
        offset_weights: ``(L, h, w)`` 1 / person scale (1 / px) inside the support of a limb's start, 0 elsewhere.
        mask: ``(1, h, w)`` 1 = supervised, 0 = ignored.
        refinements: ``(2, h, w)`` refinement offsets x and y, px of the input image, of the keypoints of all types; 0
            where the weight is 0. None unless the encoder renders them.
        refinement_weights: ``(1, h, w)`` 1 on the supports of refinement offsets, 0 elsewhere; None unless the encoder
            renders them.
    """

    heatmaps: torch.Tensor
    offsets: torch.Tensor
    offset_weights: torch.Tensor
    mask: torch.Tensor
    refinements: torch.Tensor | None = None
    refinement_weights: torch.Tensor | None = None

    def as_maps(self) -> PoseMaps:
        """Return the maps of a network that predicts the targets of a batch exactly, without spreads."""
        return PoseMaps(self.heatmaps, self.offsets, self.refinements)


def require_limbs(skeleton: Skeleton) -> None:
    """Raise ``InputError`` if a skeleton has no limbs, which grouping requires."""
    if not skeleton.limbs:
        raise InputError(
            f"skeleton {skeleton.name}: limbs: there are none, but method=gog groups keypoints by limbs; add limbs, or"
            " use method=centernet"
        )


def fields(skeleton: Skeleton, stride: int) -> tuple[Field, ...]:
    """Return the fields of ``PoseMaps``.

    Args:
        skeleton: Determines the number of maps.
        stride: Px of the input image per cell.

    Raises:
        InputError: The skeleton has no limbs.
    """
    require_limbs(skeleton)
    starts, ends = ([limb[end] for limb in skeleton.limbs] for end in (0, 1))
    return (
        Field("heatmaps", "responses", stride, tuple(range(skeleton.num_keypoints)), skeleton.flip_index),
        Field(
            "offsets",
            "vectors",
            stride,
            tuple(starts),
            skeleton.limb_flip_index,
            goals=tuple(ends),
            reversed=skeleton.limb_flip_reversed,
            components=2,
        ),
        Field("refinements", "vectors", stride, (-1,), (0,), components=2, optional=True),
        Field(  # reversed like the offsets: in a mirrored scene, such a limb's spreads lie around its other end
            "spreads",
            "spreads",
            stride,
            tuple(starts),
            skeleton.limb_flip_index,
            reversed=skeleton.limb_flip_reversed,
            optional=True,
        ),
    )
