"""Targets and maps of CenterNet's grouping."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch


class CenterTargets(NamedTuple):
    """What a network should answer; one image, or a batch with a leading dimension.

    All vectors lead from the centre of their cell and are in px of the input image.

    Attributes:
        centers: ``(1, h, w)`` Gaussian responses around the centres of people's boxes, in [0, 1]; 1 at their cells.
        heatmaps: ``(K, h, w)`` likewise of keypoints.
        offsets: ``(2K, h, w)`` at a centre's cell, to the person's keypoints, interleaved ``x_0, y_0, x_1, ...``.
        offset_weights: ``(K, h, w)`` 1 where there is such an offset, 0 elsewhere.
        sizes: ``(2, h, w)`` at a centre's cell, width and height of the box, px of the input image.
        center_refinements: ``(2, h, w)`` at a centre's cell, to the centre of the box itself.
        center_weights: ``(1, h, w)`` 1 at the cells of centres, 0 elsewhere.
        refinements: ``(2, h, w)`` at a keypoint's cell, to the keypoint itself; of the keypoints of all types.
        refinement_weights: ``(1, h, w)`` 1 at the cells of keypoints, 0 elsewhere.
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

    @classmethod
    def stack(cls, images: Sequence[CenterTargets]) -> CenterTargets:
        """Join the targets of images of one size to a batch."""
        fields: list[Any] = [torch.stack(field) for field in zip(*images, strict=True)]
        return cls(*fields)

    def image(self, place: int) -> CenterTargets:
        """Return the targets of one image of a batch."""
        return CenterTargets._make(field[place] for field in self)

    def as_maps(self) -> CenterMaps:
        """Return the targets of one image as if a network had answered them, with a batch dimension of 1."""
        return CenterMaps._make(getattr(self, name)[None] for name in CenterMaps._fields)


class CenterMaps(NamedTuple):
    """What a network answers: the maps of one stack.

    Attributes:
        centers: ``(B, 1, h, w)`` responses of the centres of people, in [0, 1].
        heatmaps: ``(B, K, h, w)`` keypoint responses, in [0, 1].
        offsets: ``(B, 2K, h, w)`` from the centre of a cell to the keypoints of the person whose centre is there, px of
            the input image, interleaved ``x_0, y_0, x_1, ...``.
        sizes: ``(B, 2, h, w)`` width and height of that person's box, px of the input image.
        center_refinements: ``(B, 2, h, w)`` from the centre of a cell to the centre of that box, px of the input image.
        refinements: ``(B, 2, h, w)`` from the centre of a cell to the keypoint there, px of the input image.
    """

    centers: torch.Tensor
    heatmaps: torch.Tensor
    offsets: torch.Tensor
    sizes: torch.Tensor
    center_refinements: torch.Tensor
    refinements: torch.Tensor

    def images(self, rows: slice) -> CenterMaps:
        """Return the maps of some images of the batch."""
        return CenterMaps._make(field[rows] for field in self)
