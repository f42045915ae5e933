"""CenterNet's decoder: people from the peaks of centers, with regressed keypoints that move to nearby peaks."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from gog_pose.geometry import cells_to_image
from gog_pose.maps.fields import Field, check_maps
from gog_pose.methods.centernet.records import CenterMaps, fields, refined
from gog_pose.methods.options import require_ranges
from gog_pose.poses import Poses
from gog_pose.skeleton import Skeleton


class _Peaks(NamedTuple):
    """The best cells of each map: responses ``(B, C, n)``, flat indices ``(B, C, n)``, centers ``(B, C, n, 2)`` px."""

    responses: torch.Tensor
    places: torch.Tensor
    origins: torch.Tensor


@dataclass(frozen=True)
class CenterDecoder:
    """Decodes one person per peak of the center map ("Objects as Points", Zhou et al., 2019, Sec. 4).

    The offsets at the peak lead to the keypoints. Each keypoint then moves to the nearest peak of its type, unless that
    is faint, outside of the person's box, or too far away. Several people may use the same peak.

    Attributes:
        skeleton: Keypoint types and limbs of a person.
        stride: Px of the input image per cell, R.
        topk: Largest number of people per image.
        keypoint_topk: Largest number of peaks per keypoint type.
        threshold: Keypoint peaks have a higher response than this.
        reach: Largest distance from a keypoint to its peak, as a part of the box's longer side; 0 = never move.
        score_threshold: People whose center has a response of at most this are dropped.
        refinements: Refinement offsets of the maps: ``shared`` by keypoints of all types, or ``per_type``.

    Raises:
        InputError: An option is out of its range.
    """

    skeleton: Skeleton
    _: KW_ONLY
    stride: int = 4
    topk: int = 100
    keypoint_topk: int = 100
    threshold: float = 0.1
    reach: float = 0.3
    score_threshold: float = 0.0
    refinements: str = "shared"

    def __post_init__(self) -> None:
        """Check the options."""
        require_ranges(
            self, counts=("stride", "topk", "keypoint_topk"), not_negative=("threshold", "reach", "score_threshold")
        )
        refined(self.skeleton, self.refinements)

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """Fields of the maps."""
        return fields(self.skeleton, self.stride, self.refinements)

    @torch.no_grad()
    def __call__(self, maps: CenterMaps) -> list[Poses]:
        """Decode a batch.

        Args:
            maps: Maps of a batch, on any device.

        Returns:
            The people of each image, px, input image. Keypoints without a peak are marked as inferred and have the
            response of their person's center.

        Raises:
            InputError: The maps do not fit the skeleton.
        """
        types = self.skeleton.num_keypoints
        check_maps(maps, self.fields, "centernet")
        maps = CenterMaps._make(field.float() for field in maps)
        centers = self._peaks(maps.centers, self.topk)
        joints = self._peaks(maps.heatmaps, self.keypoint_topk)
        scores, people = centers.responses[:, 0], centers.places[:, 0]  # (B, P)
        origins = centers.origins[:, 0]  # (B, P, 2)

        regressed = origins[:, :, None] + _read(maps.offsets, people).reshape(*people.shape, types, 2)  # (B, P, K, 2)
        middle = origins + _read(maps.center_refinements, people)
        sizes = _read(maps.sizes, people)
        steps = self._steps(maps.refinements, joints.places)
        found = joints.origins + steps  # (B, K, n, 2)

        faint = joints.responses <= self.threshold  # (B, K, n)
        distances = torch.cdist(regressed.transpose(1, 2), found, compute_mode="donot_use_mm_for_euclid_dist")
        distance, nearest = distances.masked_fill(faint[:, :, None], torch.inf).min(dim=-1)  # (B, K, P)
        candidates = found.gather(2, nearest[..., None].expand(-1, -1, -1, 2)).transpose(1, 2)  # (B, P, K, 2)
        inside = ((candidates - middle[:, :, None]).abs() <= sizes[:, :, None] / 2).all(dim=-1)
        near = distance.transpose(1, 2) <= self.reach * sizes.amax(dim=-1, keepdim=True)
        moves = inside & near
        xy = torch.where(moves[..., None], candidates, regressed)
        responses = torch.where(moves, joints.responses.gather(2, nearest).transpose(1, 2), scores[..., None])
        keypoints = torch.cat([xy, responses[..., None]], dim=-1)
        images = zip(*(array.cpu().numpy() for array in (keypoints, scores, ~moves)), strict=True)
        return [self._poses(*image) for image in images]

    def _steps(self, refinements: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """Return the ``(B, K, n, 2)`` refinement offsets at the ``(B, K, n)`` indices of each type."""
        if self.refinements == "shared":
            return _read(refinements, places.flatten(1)).reshape(*places.shape, 2)
        of_types = refinements.reshape(-1, 2, *refinements.shape[2:])  # (B K, 2, h, w)
        return _read(of_types, places.flatten(0, 1)).reshape(*places.shape, 2)

    def _peaks(self, maps: torch.Tensor, topk: int) -> _Peaks:
        """Return the best cells of each map that no neighbor exceeds."""
        width = maps.shape[-1]
        flat = (maps * (_highest_around(maps) == maps)).flatten(2)
        responses, places = flat.topk(min(topk, flat.shape[-1]), dim=-1)
        cells = torch.stack([places % width, places // width], dim=-1).float()
        return _Peaks(responses, places, cells_to_image(cells, self.stride))

    def _poses(self, keypoints: np.ndarray, scores: np.ndarray, inferred: np.ndarray) -> Poses:
        kept = scores > self.score_threshold
        return Poses(keypoints[kept], scores[kept], inferred[kept])


def _highest_around(maps: torch.Tensor) -> torch.Tensor:
    """Return the highest of the 3x3 cells around each cell, ten times as fast as 3x3 max pooling on a CPU."""
    framed = F.pad(maps, (1, 1, 1, 1), value=-math.inf)
    columns = framed[..., :-2, :].maximum(framed[..., 1:-1, :]).maximum(framed[..., 2:, :])
    return columns[..., :-2].maximum(columns[..., 1:-1]).maximum(columns[..., 2:])


def _read(maps: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Return the ``(B, n, C)`` values of ``(B, C, h, w)`` maps at ``(B, n)`` flat indices."""
    flat = maps.flatten(2)
    return flat.gather(2, places[:, None].expand(-1, flat.shape[1], -1)).transpose(1, 2)
