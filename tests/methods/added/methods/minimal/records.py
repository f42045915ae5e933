"""Maps, targets and their fields."""

from __future__ import annotations

from typing import NamedTuple

import torch

from gog_pose.geometry import cells_to_image
from gog_pose.maps.fields import Field
from gog_pose.skeleton import Skeleton


class MinimalMaps(NamedTuple):
    """Predicted maps.

    Attributes:
        means: ``(B, 1, h, w)`` responses of people's means.
        vectors: ``(B, 2K, h / 2, w / 2)`` vectors to the keypoints of the nearest person, px of the input image.
    """

    means: torch.Tensor
    vectors: torch.Tensor


class MinimalTargets(NamedTuple):
    """Targets.

    Attributes:
        means: ``(1, h, w)`` Gaussian responses.
        mask: ``(1, h, w)`` 1 = supervised.
        people: For each image ``(P, K + 1, 3)`` keypoints and, last, the mean: x, y (px, input image) and visibility.
        stride: For each image ``(1,)`` px per cell of the means.
    """

    means: torch.Tensor
    mask: torch.Tensor
    people: list[torch.Tensor]
    stride: list[torch.Tensor]

    def as_maps(self) -> MinimalMaps:
        """Let every cell point at the keypoints of the person whose mean is nearest."""
        size = (self.means.shape[-2] // 2, self.means.shape[-1] // 2)
        images = [
            _vectors(people, size, 2 * int(stride)) for people, stride in zip(self.people, self.stride, strict=True)
        ]
        return MinimalMaps(self.means, torch.stack(images))


def fields(skeleton: Skeleton, stride: int) -> tuple[Field, ...]:
    """Return the fields of ``MinimalMaps``; the point type K is the mean."""
    mean = skeleton.num_keypoints
    types = tuple(range(mean))
    return (
        Field("means", "responses", stride, (mean,), (0,)),
        Field("vectors", "vectors", 2 * stride, (mean,) * mean, skeleton.flip_index, goals=types, components=2),
    )


def _vectors(people: torch.Tensor, size: tuple[int, int], stride: int) -> torch.Tensor:
    """Return ``(2K, h, w)`` vectors of one image, 0 to keypoints without a label."""
    rows, columns = torch.meshgrid(*(torch.arange(side, dtype=torch.float32) for side in size), indexing="ij")
    cells = cells_to_image(torch.stack([columns, rows], dim=-1), stride)  # (h, w, 2)
    if not len(people):
        return torch.zeros(2 * (people.shape[1] - 1), *size)
    nearest = torch.cdist(cells.reshape(-1, 2), people[:, -1, :2]).argmin(dim=1)
    keypoints = people[nearest, :-1]  # (h w, K, 3)
    vectors = (keypoints[..., :2] - cells.reshape(-1, 1, 2)) * (keypoints[..., 2:] > 0)
    return vectors.reshape(*size, -1).permute(2, 0, 1)
