"""Maps to poses."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

import torch
from gog_pose.methods.minimal.records import MinimalMaps, fields

from gog_pose.errors import InputError
from gog_pose.maps.fields import Field, check_maps
from gog_pose.maps.localize import read_vectors
from gog_pose.maps.peaks import find_peaks
from gog_pose.poses import Poses
from gog_pose.skeleton import Skeleton


@dataclass(frozen=True)
class MinimalDecoder:
    """A person for each peak of a mean; its vectors lead to its keypoints."""

    skeleton: Skeleton
    _: KW_ONLY
    stride: int = 4
    topk: int = 30
    threshold: float = 0.1

    def __post_init__(self) -> None:
        """Check the options."""
        if not self.threshold > 0:
            raise InputError(f"decoder.threshold: must be more than 0, got {self.threshold}")

    @property
    def fields(self) -> tuple[Field, ...]:
        """Fields of the maps."""
        return fields(self.skeleton, self.stride)

    @torch.no_grad()
    def __call__(self, maps: MinimalMaps) -> list[Poses]:
        """Return the people of each image, px of the input image."""
        check_maps(maps, self.fields, "minimal")
        peaks = find_peaks(maps.means, stride=self.stride, topk=self.topk, threshold=self.threshold)
        starts = peaks.xy[:, 0]  # (B, n, 2)
        types = self.skeleton.num_keypoints
        vectors = maps.vectors.reshape(len(maps.vectors), types, 2, *maps.vectors.shape[2:])
        read = read_vectors(vectors, starts[:, None].expand(-1, types, -1, -1), 2 * self.stride)  # (B, K, n, 2)
        xy = (starts[:, None] + read).transpose(1, 2)
        responses = peaks.responses[:, 0]
        keypoints = torch.cat([xy, responses[..., None, None].expand(*xy.shape[:3], 1)], dim=-1)
        return [
            Poses(people[scores > 0].cpu().numpy(), scores[scores > 0].cpu().numpy())
            for people, scores in zip(keypoints, responses, strict=True)
        ]
