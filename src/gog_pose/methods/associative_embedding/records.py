"""Maps, targets and fields of Associative Embedding."""

from __future__ import annotations

from typing import NamedTuple

import torch

from gog_pose.maps.fields import Field
from gog_pose.skeleton import Skeleton

FINER = 2  # cells of the fine heatmaps per cell of the other maps, along an axis
_APART = 4.0  # difference between the ideal tags of two people, and to the background
_PAINTED = 6  # cells on each side of a keypoint that have the ideal tag of its person


class AssociativeMaps(NamedTuple):
    """The maps that the network predicts.

    Attributes:
        heatmaps: ``(B, K, h, w)`` keypoint responses.
        tags: ``(B, K, h, w)`` numbers that are similar for the keypoints of one person and differ between people. With
            the mirror image ``(B, 2K, h, w)``: first the tags of the image, then those of its mirror image.
        fine_heatmaps: ``(B, K, 2h, 2w)`` responses at half the stride, as in HigherHRNet; or None.
    """

    heatmaps: torch.Tensor
    tags: torch.Tensor
    fine_heatmaps: torch.Tensor | None = None


class AssociativeTargets(NamedTuple):
    """The targets of the network; one image, or a batch with a leading dimension.

    Tags have no target values; the list of each person's cells determines which tags should be similar.

    Attributes:
        heatmaps: ``(K, h, w)`` Gaussian responses in [0, 1].
        mask: ``(1, h, w)`` 1 = supervised, 0 = ignored.
        people: For each image ``(P, K)`` int64, the cell ``y w + x`` of each person's keypoints; -1 = not labeled,
            outside of the map, or ignored. Every person has at least one cell.
        fine_heatmaps: ``(K, 2h, 2w)`` Gaussian responses at half the stride; None unless the encoder renders them.
        fine_mask: ``(1, 2h, 2w)`` mask of the fine heatmaps; None without them.
    """

    heatmaps: torch.Tensor
    mask: torch.Tensor
    people: list[torch.Tensor]
    fine_heatmaps: torch.Tensor | None = None
    fine_mask: torch.Tensor | None = None

    def as_maps(self) -> AssociativeMaps:
        """Return the maps of a network that predicts the targets of a batch exactly, with ideal tags."""
        height, width = self.heatmaps.shape[-2:]
        tags = [_ideal_tags(cells, height, width) for cells in self.people]
        return AssociativeMaps(self.heatmaps, torch.stack(tags), self.fine_heatmaps)


def fields(skeleton: Skeleton, stride: int) -> tuple[Field, ...]:
    """Return the fields of ``AssociativeMaps``.

    Args:
        skeleton: Determines the number of maps.
        stride: Px of the input image per cell of the heatmaps and tags.
    """
    points, mirror = tuple(range(skeleton.num_keypoints)), skeleton.flip_index
    return (
        Field("heatmaps", "responses", stride, points, mirror),
        Field("tags", "tags", stride, points, mirror),
        Field("fine_heatmaps", "responses", stride // FINER, points, mirror, optional=True),
    )


def _ideal_tags(people: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Return the ``(K, h, w)`` ideal tags of one image: the person's tag around each keypoint, 0 elsewhere.

    A cell near keypoints of one type of two people has the tag of the nearer one. People are numbered from top to
    bottom, so that neither their order in the list nor mirroring affects the tags.
    """
    count, types = people.shape
    labeled = people >= 0
    rows, columns = people // width * labeled, people % width * labeled
    rank = torch.arange(count, device=people.device)
    for key in (columns.sum(1), labeled.sum(1), rows.sum(1)):  # the last key is the primary one
        rank = rank[key[rank].argsort(stable=True)]
    people, rows, columns = people[rank], rows[rank], columns[rank]

    person, kind = (people >= 0).nonzero(as_tuple=True)
    steps = torch.arange(-_PAINTED, _PAINTED + 1, device=people.device)
    dy, dx = steps[:, None, None], steps[:, None]
    y, x = rows[person, kind] + dy + 0 * dx, columns[person, kind] + dx + 0 * dy  # (S, S, N)
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    places = (kind * height + y) * width + x
    keys = (dy**2 + dx**2) * count + person  # the nearest person wins, then the first
    nobody = torch.iinfo(torch.int64).max
    nearest = torch.full((types * height * width,), nobody, device=people.device)
    nearest.scatter_reduce_(0, places[inside], keys[inside], reduce="amin")
    tags = torch.where(nearest < nobody, (nearest % max(count, 1) + 1) * _APART, 0.0)
    return tags.reshape(types, height, width)
