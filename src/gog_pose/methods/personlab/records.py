"""Maps, targets and fields of PersonLab."""

from __future__ import annotations

from typing import NamedTuple

import torch

from gog_pose.errors import InputError
from gog_pose.maps.fields import Field
from gog_pose.skeleton import Skeleton


class PersonLabMaps(NamedTuple):
    """The maps that the network predicts; offsets in px of the input image, interleaved ``x_0, y_0, x_1, ...``.

    Attributes:
        heatmaps: ``(B, K, h, w)`` probability that a cell lies in the disk around a keypoint.
        short_offsets: ``(B, 2K, h, w)`` from a cell to the keypoint in whose disk it lies.
        mid_offsets: ``(B, 2E, h, w)`` from a cell in the disk around an edge's start to the end of that edge of the
            same person. ``edges`` lists the edges.
    """

    heatmaps: torch.Tensor
    short_offsets: torch.Tensor
    mid_offsets: torch.Tensor


class PersonLabTargets(NamedTuple):
    """The targets of the network; one image, or a batch with a leading dimension.

    Attributes:
        heatmaps: ``(K, h, w)`` 1 in disks, 0 elsewhere; also the weights of the short offsets.
        short_offsets: ``(2K, h, w)`` px of the input image; 0 outside of disks.
        mid_offsets: ``(2E, h, w)`` px of the input image; 0 where the weight is 0.
        mid_weights: ``(E, h, w)`` 1 in the disks around starts of edges with two labeled ends, 0 elsewhere.
        mask: ``(1, h, w)`` 1 = supervised, 0 = ignored.
    """

    heatmaps: torch.Tensor
    short_offsets: torch.Tensor
    mid_offsets: torch.Tensor
    mid_weights: torch.Tensor
    mask: torch.Tensor

    def as_maps(self) -> PersonLabMaps:
        """Return the maps of a network that predicts the targets of a batch exactly."""
        return PersonLabMaps(self.heatmaps, self.short_offsets, self.mid_offsets)


def edges(skeleton: Skeleton) -> tuple[tuple[int, int], ...]:
    """Return the directed edges ``(start, end)`` of mid-range offsets: all limbs, then all limbs reversed.

    A limb that the skeleton lists in both directions counts once.

    Raises:
        InputError: The skeleton has no limbs.
    """
    if not skeleton.limbs:
        raise InputError(
            f"skeleton {skeleton.name}: limbs: there are none, but method=personlab follows limbs from keypoint to"
            " keypoint; add limbs, or use method=centernet"
        )
    forward: dict[tuple[int, int], None] = {}
    for start, end in skeleton.limbs:
        if (end, start) not in forward:
            forward[start, end] = None
    return (*forward, *((end, start) for start, end in forward))


def fields(skeleton: Skeleton, stride: int) -> tuple[Field, ...]:
    """Return the fields of ``PersonLabMaps``. Offsets are meaningful only in disks, so heatmaps weight their views.

    Args:
        skeleton: Determines the number of maps.
        stride: Px of the input image per cell.

    Raises:
        InputError: The skeleton has no limbs.
    """
    directed = edges(skeleton)
    place = {edge: index for index, edge in enumerate(directed)}
    types, mirror = tuple(range(skeleton.num_keypoints)), skeleton.flip_index
    starts, ends = zip(*directed, strict=True)
    return (
        Field("heatmaps", "responses", stride, types, mirror),
        Field("short_offsets", "vectors", stride, types, mirror, components=2, weighted_by="heatmaps"),
        Field(
            "mid_offsets",
            "vectors",
            stride,
            starts,
            tuple(place[mirror[start], mirror[end]] for start, end in directed),
            goals=ends,
            components=2,
            weighted_by="heatmaps",
        ),
    )
