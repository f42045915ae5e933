"""Decoder by the rules of HigherHRNet's public program, for its weights and for comparison."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F

from gog_pose.assembly.matching import COSTS, match_tags, type_order
from gog_pose.errors import InputError
from gog_pose.geometry import cells_to_image
from gog_pose.maps.fields import Field, check_maps
from gog_pose.maps.peaks import finite
from gog_pose.methods.associative_embedding.filling import mean_tags
from gog_pose.methods.associative_embedding.records import AssociativeMaps, fields
from gog_pose.methods.options import require_ranges
from gog_pose.poses import Poses
from gog_pose.skeleton import Skeleton

_QUARTER = 0.25  # cells
_CORNER = 0.5  # px; the program and its training targets count from the corner of a pixel


@dataclass(frozen=True)
class HigherHRNetDecoder:
    """Decodes maps like HigherHRNet's program (Cheng et al., 2020), enlarged to the size of the input image.

    Candidates are the highest pixels of their windows; each moves a quarter of a pixel towards the higher neighbor
    along each axis. The assignment is solved by SciPy in place of the package ``munkres``, with possibly different
    results if costs are equal, which is common with ``cost=public``.

    Attributes:
        skeleton: Keypoint types and limbs of a person.
        stride: Px of the input image per cell of the coarser maps, R.
        project: Enlarge the maps to the size of the input image; false = to that of the finest maps.
        window: Side of the window of a peak, pixels of the enlarged maps, odd.
        topk: Candidates kept per type, and number of people that candidates are assigned to.
        threshold: Candidates have a higher response than this.
        cost: Cost of a match (``match_tags``).
        tag_threshold: Tags at this distance or further belong to different people.
        refine: Add missing keypoints at the best position, at any tag distance, marked as inferred.
        score_threshold: People with a lower score, the mean of all K responses before ``refine``, are dropped.

    Raises:
        InputError: An option is out of its range.
    """

    skeleton: Skeleton
    _: KW_ONLY
    stride: int = 4
    project: bool = True
    window: int = 5
    topk: int = 30
    threshold: float = 0.1
    cost: str = "public"
    tag_threshold: float = 1.0
    refine: bool = True
    score_threshold: float = 0.0

    def __post_init__(self) -> None:
        """Check the options."""
        if self.cost not in COSTS:
            raise InputError(f"decoder.cost: {self.cost!r} is unknown; choose {' or '.join(COSTS)}")
        require_ranges(
            self, counts=("stride", "topk", "window"), not_negative=("threshold",), positive=("tag_threshold",)
        )
        if self.window % 2 == 0:
            raise InputError(f"decoder.window: must be odd, got {self.window}")

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """Fields of the maps."""
        return fields(self.skeleton, self.stride)

    @torch.no_grad()
    def __call__(self, maps: AssociativeMaps) -> list[Poses]:
        """Decode a batch.

        Args:
            maps: Maps of any floating type, on any device; tags of the image, or of the image and its mirror image.

        Returns:
            The people of each image, px, input image.

        Raises:
            InputError: The maps do not fit the skeleton.
        """
        check_maps(maps, self.fields, "associative_embedding")
        height, width = (side * self.stride for side in maps.heatmaps.shape[-2:])
        heatmaps, tags = enlarged(maps, (height, width) if self.project else None)
        stride = width // heatmaps.shape[-1]
        candidates = F.max_pool2d(heatmaps, self.window, 1, self.window // 2) == heatmaps
        responses, places = (heatmaps * candidates).flatten(2).topk(min(self.topk, heatmaps[0, 0].numel()))
        fields = (field.numpy() for field in (heatmaps, tags, responses, places))
        return [self._group(*image, stride=stride) for image in zip(*fields, strict=True)]

    def _group(
        self, heatmaps: np.ndarray, tags: np.ndarray, responses: np.ndarray, places: np.ndarray, *, stride: int
    ) -> Poses:
        """Group the candidates of one image from ``(K, n)`` responses and flat indices and ``(K, T, h, w)`` tags."""
        count = self.skeleton.num_keypoints
        responses = np.where(responses > self.threshold, responses, 0)
        flat = tags.reshape(*tags.shape[:2], -1)
        own = np.take_along_axis(flat, places[:, None], axis=2).swapaxes(1, 2)  # (K, n, T)
        people = match_tags(
            own,
            responses,
            type_order(self.skeleton),
            threshold=self.tag_threshold,
            cost=self.cost,
            max_people=self.topk,
            unique=True,
        )
        cells = np.where(people >= 0, places[np.arange(count), people], 0)
        found = np.where(people >= 0, responses[np.arange(count), people], 0)
        scores = found.mean(axis=1)
        inferred = np.zeros(people.shape, dtype=bool)
        if self.refine:
            means = mean_tags(people, own)
            for person, kind in zip(*np.nonzero(people < 0), strict=True):
                distance = np.linalg.norm(tags[kind] - means[person][:, None, None], axis=0)
                cell = (heatmaps[kind] - np.round(distance)).argmax()
                response = heatmaps[kind].flat[cell]
                inferred[person, kind] = response > 0
                cells[person, kind], found[person, kind] = cell, max(response, 0)
        xy = np.where(found[..., None] > 0, self._places(heatmaps, cells, stride), 0)
        keypoints = np.concatenate([xy, found[..., None]], axis=2).astype(np.float32)
        order = np.argsort(-scores, kind="stable")
        order = order[scores[order] >= self.score_threshold]
        return Poses(keypoints[order], scores[order].astype(np.float32), inferred[order])

    def _places(self, heatmaps: np.ndarray, cells: np.ndarray, stride: int) -> np.ndarray:
        """Return ``(N, K, 2)`` px of the input image: cells, moved by a quarter of a cell to the higher neighbors."""
        kinds = np.arange(len(heatmaps))
        row, column = np.divmod(cells, heatmaps.shape[2])
        around = np.pad(heatmaps, ((0, 0), (1, 1), (1, 1)), mode="edge")
        right = around[kinds, row + 1, column + 2] > around[kinds, row + 1, column]
        down = around[kinds, row + 2, column + 1] > around[kinds, row, column + 1]
        steps = np.where(np.stack([right, down], axis=2), _QUARTER, -_QUARTER)
        return cells_to_image(np.stack([column, row], axis=2) + steps, stride) + _CORNER


def enlarged(maps: AssociativeMaps, size: tuple[int, int] | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Merge the resolutions and enlarge the maps bilinearly.

    Args:
        maps: Maps of a batch.
        size: ``(H, W)`` of the result; None = that of the finest maps.

    Returns:
        ``(B, K, H, W)`` heatmaps and ``(B, K, T, H, W)`` tags.
    """

    def resized(field: torch.Tensor, to: tuple[int, int]) -> torch.Tensor:
        return F.interpolate(field.float(), to, mode="bilinear", align_corners=False)

    heatmaps, tags = maps.heatmaps.float(), maps.tags
    if maps.fine_heatmaps is not None:
        finest = (int(maps.fine_heatmaps.shape[-2]), int(maps.fine_heatmaps.shape[-1]))
        heatmaps = (resized(heatmaps, finest) + maps.fine_heatmaps.float()) / 2
        tags = resized(tags, finest)
    if size is not None:
        heatmaps, tags = resized(heatmaps, size), resized(tags, size)
    types = heatmaps.shape[1]
    tags = tags.float().reshape(len(tags), -1, types, *tags.shape[2:]).transpose(1, 2)
    return torch.from_numpy(finite(heatmaps.cpu().numpy())), torch.from_numpy(finite(tags.cpu().contiguous().numpy()))
