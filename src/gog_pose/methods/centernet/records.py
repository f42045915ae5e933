"""Targets, maps and fields of CenterNet."""

from __future__ import annotations

from typing import NamedTuple

import torch

from gog_pose.errors import InputError
from gog_pose.maps.fields import Field
from gog_pose.skeleton import Skeleton

REFINEMENTS = ("shared", "per_type")  # a refinement offset is for keypoints of all types, or of one


class CenterTargets(NamedTuple):
    """The targets of the network; one image, or a batch with a leading dimension.

    All vectors start at the center of their cell and are in px of the input image.

    Attributes:
        centers: ``(1, h, w)`` Gaussian responses around the centers of people's boxes, in [0, 1]; 1 at their cells.
        heatmaps: ``(K, h, w)`` Gaussian responses around keypoints, in [0, 1]; 1 at their cells.
        offsets: ``(2K, h, w)`` at a center's cell, to the person's keypoints, interleaved ``x_0, y_0, x_1, ...``.
        offset_weights: ``(K, h, w)`` 1 where there is such an offset, 0 elsewhere.
        sizes: ``(2, h, w)`` at a center's cell, width and height of the box, px of the input image.
        center_refinements: ``(2, h, w)`` at a center's cell, to the exact center of the box.
        center_weights: ``(1, h, w)`` 1 at the cells of centers, 0 elsewhere.
        refinements: ``(2, h, w)`` at a keypoint's cell, to the exact keypoint, shared by all types. With ``per_type``
            ``(2K, h, w)``, separate for each type.
        refinement_weights: ``(1, h, w)`` 1 at the cells of keypoints, 0 elsewhere; with ``per_type`` ``(K, h, w)``.
        mask: ``(1, h, w)`` 1 = supervised, 0 = ignored.
    """

    centers: torch.Tensor
    heatmaps: torch.Tensor
    offsets: torch.Tensor
    offset_weights: torch.Tensor
    sizes: torch.Tensor
    center_refinements: torch.Tensor
    center_weights: torch.Tensor
    refinements: torch.Tensor
    refinement_weights: torch.Tensor
    mask: torch.Tensor

    def as_maps(self) -> CenterMaps:
        """Return the maps of a network that predicts the targets of a batch exactly."""
        return CenterMaps._make(getattr(self, name) for name in CenterMaps._fields)


class CenterMaps(NamedTuple):
    """The maps that the network predicts.

    Attributes:
        centers: ``(B, 1, h, w)`` responses of the centers of people, in [0, 1].
        heatmaps: ``(B, K, h, w)`` keypoint responses, in [0, 1].
        offsets: ``(B, 2K, h, w)`` from the center of a cell to the keypoints of the person with its center in the cell,
            px of the input image, interleaved ``x_0, y_0, x_1, ...``.
        sizes: ``(B, 2, h, w)`` width and height of that person's box, px of the input image.
        center_refinements: ``(B, 2, h, w)`` from the center of a cell to the center of that box, px of the input image.
        refinements: ``(B, 2, h, w)`` from the center of a cell to the keypoint in it, px of the input image; with
            ``per_type`` ``(B, 2K, h, w)``, to the keypoint of each type.
    """

    centers: torch.Tensor
    heatmaps: torch.Tensor
    offsets: torch.Tensor
    sizes: torch.Tensor
    center_refinements: torch.Tensor
    refinements: torch.Tensor


def refined(skeleton: Skeleton, refinements: str) -> tuple[int, ...]:
    """Return the ``Field.points`` of the refinement offsets, one item per offset.

    Args:
        skeleton: Keypoint types.
        refinements: One of ``REFINEMENTS``.

    Raises:
        InputError: The kind of refinement offsets is unknown.
    """
    if refinements not in REFINEMENTS:
        raise InputError(f"refinements: {refinements!r} is unknown; choose {' or '.join(REFINEMENTS)}")
    return (-1,) if refinements == "shared" else tuple(range(skeleton.num_keypoints))


def fields(skeleton: Skeleton, stride: int, refinements: str = "shared") -> tuple[Field, ...]:
    """Return the fields of ``CenterMaps``; the point type K is the center of a person's box.

    As in CenterNet's program, refinement offsets are not merged over views, because the peak of a mirrored map may lie
    in another cell. Vectors and sizes have targets only in the cell of a center.

    Args:
        skeleton: Determines the number of maps.
        stride: Px of the input image per cell.
        refinements: One of ``REFINEMENTS``.

    Raises:
        InputError: The kind of refinement offsets is unknown.
    """
    center = skeleton.num_keypoints
    types = tuple(range(center))
    points = refined(skeleton, refinements)
    mirror = (0,) if refinements == "shared" else skeleton.flip_index
    return (
        Field("centers", "responses", stride, (center,), (0,)),
        Field("heatmaps", "responses", stride, types, skeleton.flip_index),
        Field(
            "offsets",
            "vectors",
            stride,
            (center,) * center,
            skeleton.flip_index,
            goals=types,
            components=2,
            smooth=False,
        ),
        Field("sizes", "scales", stride, (center,), (0,), components=2, smooth=False),
        Field("center_refinements", "vectors", stride, (center,), (0,), components=2, merged=False),
        Field("refinements", "vectors", stride, points, mirror, components=2, merged=False),
    )
