"""Maps, targets and fields of PIFPAF."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch

from gog_pose.errors import InputError
from gog_pose.maps.fields import Field
from gog_pose.skeleton import Skeleton

_IDEAL_SPREAD = math.log(1.5)  # of exact vectors, log px, input image; e^-1 cells of stride 4


class PifpafMaps(NamedTuple):
    """The maps that the network predicts.

    Each vector has a spread b of its error, the scale of a Laplace distribution; the maps contain ``log b``.

    Attributes:
        heatmaps: ``(B, K, h, w)`` responses of cells near a keypoint, in [0, 1]; a person's keypoint has 16 such cells.
        vectors: ``(B, 2K, h, w)`` from the center of a cell to that keypoint, px of the input image, interleaved
            ``x_0, y_0, x_1, ...``.
        spreads: ``(B, K, h, w)`` spreads of those vectors, log px of the input image.
        scales: ``(B, K, h, w)`` size of that keypoint, px of the input image: its OKS sigma x the person's size.
        limb_heatmaps: ``(B, L, h, w)`` responses of cells on a limb, in [0, 1].
        limb_vectors: ``(B, 4L, h, w)`` from the center of a cell on a limb to its two ends, px of the input image:
            first those to the first ends of all limbs, interleaved, then those to the second ends.
        limb_spreads: ``(B, 2L, h, w)`` spreads of those vectors, log px of the input image, in the same order.
    """

    heatmaps: torch.Tensor
    vectors: torch.Tensor
    spreads: torch.Tensor
    scales: torch.Tensor
    limb_heatmaps: torch.Tensor
    limb_vectors: torch.Tensor
    limb_spreads: torch.Tensor


class PifpafTargets(NamedTuple):
    """The targets of the network; one image, or a batch with a leading dimension.

    Vectors and scales have targets where the response is 1, and are 0 elsewhere. Spreads have no targets.

    Attributes:
        heatmaps: ``(K, h, w)`` 1 in the square of cells around each keypoint, 0 elsewhere.
        limb_heatmaps: ``(L, h, w)`` 1 in the band of cells along each limb, 0 elsewhere.
        vectors: ``(2K, h, w)`` from a cell to the nearest keypoint, px of the input image, interleaved.
        scales: ``(K, h, w)`` OKS sigma x the square root of the area that the keypoints of the person span, px of the
            input image.
        limb_vectors: ``(4L, h, w)`` from a cell to the ends of its limb, px of the input image, as in the maps.
        mask: ``(1, h, w)`` 1 = supervised, 0 = ignored.
    """

    heatmaps: torch.Tensor
    limb_heatmaps: torch.Tensor
    vectors: torch.Tensor
    scales: torch.Tensor
    limb_vectors: torch.Tensor
    mask: torch.Tensor

    def as_maps(self) -> PifpafMaps:
        """Return the maps of a network that predicts the targets of a batch exactly, with spreads of 1.5 px."""
        ends = torch.cat([self.limb_heatmaps, self.limb_heatmaps], dim=-3)
        return PifpafMaps(
            self.heatmaps,
            self.vectors,
            torch.full_like(self.heatmaps, _IDEAL_SPREAD),
            self.scales,
            self.limb_heatmaps,
            self.limb_vectors,
            torch.full_like(ends, _IDEAL_SPREAD),
        )


def fields(skeleton: Skeleton, stride: int) -> tuple[Field, ...]:
    """Return the fields of ``PifpafMaps``.

    One field contains the vectors to both ends of all limbs. This allows mirroring to exchange the two ends of limbs
    whose mirror image has the opposite direction, such as from shoulder to shoulder.

    Args:
        skeleton: Determines the number of maps.
        stride: Px of the input image per cell.
    """
    types, mirror = tuple(range(skeleton.num_keypoints)), skeleton.flip_index
    limbs = skeleton.num_limbs
    both = tuple(range(limbs)) * 2
    firsts, seconds = (tuple(limb[end] for limb in skeleton.limbs) for end in (0, 1))
    straight = tuple(zip(skeleton.limb_flip_index, skeleton.limb_flip_reversed, strict=True))
    ends_mirror = tuple(limb + limbs * turned for limb, turned in straight)
    ends_mirror += tuple(limb + limbs * (not turned) for limb, turned in straight)
    return (
        Field("heatmaps", "responses", stride, types, mirror),
        Field("vectors", "vectors", stride, types, mirror, components=2, weighted_by="heatmaps"),
        Field("spreads", "spreads", stride, types, mirror, weighted_by="heatmaps"),
        Field("scales", "scales", stride, types, mirror, weighted_by="heatmaps"),
        Field("limb_heatmaps", "responses", stride, firsts, skeleton.limb_flip_index),
        Field(
            "limb_vectors",
            "vectors",
            stride,
            seconds + firsts,
            ends_mirror,
            goals=firsts + seconds,
            components=2,
            weighted_by="limb_heatmaps",
            weight_items=both,
        ),
        Field(
            "limb_spreads",
            "spreads",
            stride,
            seconds + firsts,
            ends_mirror,
            weighted_by="limb_heatmaps",
            weight_items=both,
        ),
    )


def require_limbs(skeleton: Skeleton) -> None:
    """Check that a skeleton has limbs, along which poses grow.

    Raises:
        InputError: The skeleton has no limbs.
    """
    if not skeleton.limbs:
        raise InputError(
            f"skeleton {skeleton.name}: limbs: there are none, but method=pifpaf grows poses along limbs; add limbs, or"
            " use method=centernet"
        )
