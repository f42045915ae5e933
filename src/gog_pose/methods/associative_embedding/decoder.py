"""The decoder of Associative Embedding, which converts maps to poses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from gog_pose.assembly.joining import join_fragments
from gog_pose.assembly.matching import COSTS, match_tags, type_order
from gog_pose.errors import InputError
from gog_pose.geometry import cells_to_image
from gog_pose.maps.fields import Field, check_maps
from gog_pose.maps.localize import taylor
from gog_pose.maps.peaks import finite
from gog_pose.maps.windows import nearest_cells
from gog_pose.methods.associative_embedding.filling import find_missing, mean_tags
from gog_pose.methods.associative_embedding.records import FINER, AssociativeMaps, fields
from gog_pose.methods.candidates import CandidateDecoder
from gog_pose.poses import Poses


class _Surface(NamedTuple):
    """The prepared maps of a batch, on the CPU.

    Attributes:
        heatmaps: ``(B, K, H, W)`` heatmaps; two resolutions are merged.
        stride: Px of the input image per cell of the heatmaps.
        tags: ``(B, K, T, h, w)`` finite tags.
    """

    heatmaps: torch.Tensor
    stride: int
    tags: np.ndarray


@dataclass(frozen=True)
class AssociativeDecoder(CandidateDecoder):
    """Grouping by tags (Newell, Huang, Deng, "Associative Embedding", 2017, Sec. 3.2).

    The candidates are those of the paper's method and are matched type by type. Missing keypoints are then added at
    cells with the person's tag. Attributes in addition to those of ``CandidateDecoder``:

    Attributes:
        sigma: With two resolutions, the standard deviation of the fine responses.
        order: Keypoint types in the order of matching; None = HigherHRNet's order for COCO's keypoints, otherwise from
            the center of the limbs outwards.
        cost: Cost of a match (``match_tags``).
        tag_threshold: Tags at this distance or further belong to different people.
        reach: Joining of people without a common keypoint type, as of fragments in ``GogDecoder``; 0 = never, as in
            the public program.
        refine: Add missing keypoints at the best cells with the person's tag, marked as inferred.

    Raises:
        InputError: An option is out of its range.
    """

    CHOICES: ClassVar[Mapping[str, Sequence[str]]] = {"cost": COSTS}
    POSITIVE = ("tag_threshold",)
    NOT_NEGATIVE = ("reach",)

    _: KW_ONLY
    order: Sequence[int] | None = None
    cost: str = "tie_broken"
    tag_threshold: float = 1.0
    reach: float = 0.0
    refine: bool = True

    def __post_init__(self) -> None:
        """Convert the order to a tuple and check the options."""
        super().__post_init__()
        if self.order is not None:
            object.__setattr__(self, "order", tuple(int(kind) for kind in self.order))
            if sorted(self.order) != list(range(self.skeleton.num_keypoints)):
                raise InputError(
                    f"decoder.order: must list the keypoint types 0 to {self.skeleton.num_keypoints - 1}, each once,"
                    f" got {list(self.order)}"
                )

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """Fields of the maps."""
        return fields(self.skeleton, self.stride)

    @cached_property
    def types(self) -> tuple[int, ...]:
        """The keypoint types in the order of matching."""
        return type_order(self.skeleton) if self.order is None else tuple(self.order)

    @torch.no_grad()
    def __call__(self, maps: AssociativeMaps) -> list[Poses]:
        """Decode a batch.

        Args:
            maps: Maps of any floating type, on any device; tags of the image, or of the image and its mirror image.

        Returns:
            The people of each image, px, input image. The result for an image does not depend on the other images.

        Raises:
            InputError: The maps do not fit the skeleton.
        """
        check_maps(maps, self.fields, "associative_embedding")
        surface = self._surface(maps)
        peaks = self.find_candidates(surface.heatmaps, surface.stride)
        heatmaps = surface.heatmaps.numpy()
        images = zip(peaks.xy.numpy(), peaks.responses.numpy(), heatmaps, surface.tags, strict=True)
        return [self._group(*image, surface.stride) for image in images]

    def _surface(self, maps: AssociativeMaps) -> _Surface:
        """Merge the resolutions and copy all maps to the CPU."""
        heatmaps, stride = maps.heatmaps.float(), self.stride
        if maps.fine_heatmaps is not None:
            size, stride = maps.fine_heatmaps.shape[-2:], stride // FINER
            heatmaps = F.interpolate(heatmaps, size, mode="bilinear", align_corners=False)
            heatmaps = (heatmaps + maps.fine_heatmaps.float()) / 2
        batch, _, height, width = maps.tags.shape
        tags = maps.tags.detach().float().cpu().reshape(batch, -1, self.skeleton.num_keypoints, height, width)
        return _Surface(
            torch.from_numpy(finite(heatmaps.detach().cpu().numpy())),
            stride,
            finite(tags.transpose(1, 2).contiguous().numpy()),
        )

    def _group(
        self, xy: np.ndarray, responses: np.ndarray, heatmaps: np.ndarray, tags: np.ndarray, stride: int
    ) -> Poses:
        """Group the ``(K, n)`` peaks of one image by its ``(K, T, h, w)`` tags; the stride is that of the heatmaps."""
        last = np.array(tags.shape[:1:-1]) - 1
        column, row = np.moveaxis(nearest_cells(xy, self.stride).clip(0, last).astype(np.intp), -1, 0)  # (K, n)
        own = tags[np.arange(len(tags))[:, None], :, row, column]  # (K, n, T)
        people = match_tags(own, responses, self.types, threshold=self.tag_threshold, cost=self.cost)
        if self.reach:
            people = join_fragments(people, xy, responses, self.skeleton.limbs, self.reach)
        inferred = self._missing(people, mean_tags(people, own), heatmaps, tags, stride) if self.refine else None
        return self.make_poses(people, xy, responses, inferred)

    def _missing(
        self, people: np.ndarray, means: np.ndarray, heatmaps: np.ndarray, tags: np.ndarray, stride: int
    ) -> np.ndarray:
        """Return ``(N, K, 3)`` x, y (px, input image) and response of missing keypoints; response 0 = none."""
        finer = self.stride // stride
        if finer > 1:
            tags = tags.repeat(finer, 2).repeat(finer, 3)
        person, kind, cell = self._find_missing(people, means, heatmaps, tags)
        row, column = np.divmod(cell, heatmaps.shape[2])
        places = taylor(heatmaps, kind, np.stack([column, row], axis=1).astype(np.float64), self.sigma / stride)
        inferred = np.zeros((*people.shape, 3), dtype=np.float32)
        inferred[person, kind, :2] = cells_to_image(places, stride)
        inferred[person, kind, 2] = heatmaps[kind, row, column]
        return inferred

    def _find_missing(self, *maps: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Find the cells of missing keypoints by ``find_missing``; its arguments are passed on."""
        return find_missing(*maps, tag_threshold=self.tag_threshold, high=self.threshold)
