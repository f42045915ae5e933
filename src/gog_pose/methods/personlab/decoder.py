"""The decoder: poses grow from the surest keypoints along mid-range offsets (Sec. 3.1 of PersonLab's paper)."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import cached_property

import numpy as np
import torch

from gog_pose.geometry import cells_to_image, image_to_cells
from gog_pose.maps.fields import Field, check_maps
from gog_pose.maps.peaks import finite, not_exceeded
from gog_pose.methods.options import require_ranges
from gog_pose.methods.personlab.grouping import Roots, grow_people, rank_people
from gog_pose.methods.personlab.records import PersonLabMaps, edges, fields
from gog_pose.methods.personlab.walk import Place, PointReader, walk
from gog_pose.poses import Poses
from gog_pose.skeleton import Skeleton
from gog_pose.system.options import CountOrZero, require


@dataclass(frozen=True)
class PersonLabDecoder:
    """Decoding as in Google's ``posenet_decoder.cc`` (libcoral): roots are peaks of cells, without Hough voting.

    Every person has all keypoints; the score of each says how sure it is.

    Attributes:
        skeleton: What a person is made of.
        stride: Px of the input image per cell, R.
        threshold: Lowest response of a root.
        steps: How often the end of a mid-range offset is refined by the short-range offset there.
        nms_radius: Px, input image; keypoints of a type this near are the same one.
        topk: People looked for in an image.
        score_threshold: People of a lower score are dropped.

    Raises:
        InputError: An option is out of its range.
    """

    skeleton: Skeleton
    _: KW_ONLY
    stride: int = 4
    threshold: float = 0.1
    steps: int = 2
    nms_radius: float = 10.0
    topk: int = 100
    score_threshold: float = 0.0

    def __post_init__(self) -> None:
        """Check the options."""
        require_ranges(
            self,
            counts=("stride", "topk"),
            positive=("threshold", "nms_radius"),
            not_negative=("score_threshold",),
        )
        require("decoder.steps", self.steps, CountOrZero)

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """Fields of the maps."""
        return fields(self.skeleton, self.stride)

    @cached_property
    def leaving(self) -> tuple[tuple[tuple[int, int], ...], ...]:
        """For each keypoint type the edges that leave it, and the type that each leads to."""
        directed = list(enumerate(edges(self.skeleton)))
        return tuple(
            tuple((edge, end) for edge, (start, end) in directed if start == kind)
            for kind in range(self.skeleton.num_keypoints)
        )

    @torch.no_grad()
    def __call__(self, maps: PersonLabMaps) -> list[Poses]:
        """Decode a batch.

        Args:
            maps: Of any floating type, on any device.

        Returns:
            The people of each image, px, input image. An image's result does not depend on the others.

        Raises:
            InputError: The maps do not fit the skeleton.
        """
        check_maps(maps, self.fields, "personlab")
        arrays = (field.detach().float().cpu().numpy() for field in maps)
        return [self._decode(*image) for image in zip(*arrays, strict=True)]

    def _decode(self, heatmaps: np.ndarray, short_offsets: np.ndarray, mid_offsets: np.ndarray) -> Poses:
        """Decode one image."""
        heatmaps = finite(heatmaps)
        responses, short, mid = (PointReader(maps) for maps in (heatmaps, short_offsets, mid_offsets))
        directed = edges(self.skeleton)

        def step(edge: int, start: Place) -> Place:
            """Follow a mid-range offset, then refine where it leads."""
            end = directed[edge][1]
            there = start
            for reader, item in ((mid, edge), *((short, end),) * self.steps):
                dx, dy = reader.vector(item, *there)
                there = reader.clamped(there[0] + dx / self.stride, there[1] + dy / self.stride)
            return there

        def grow(kind: int, xy: np.ndarray) -> np.ndarray:
            x, y = image_to_cells(xy, self.stride).tolist()
            person = walk(kind, (x, y), self.leaving, step, responses.logit)
            person[:, :2] = cells_to_image(person[:, :2], self.stride)
            return person

        people = grow_people(
            self._roots(heatmaps, short_offsets),
            grow,
            radius=self.nms_radius,
            topk=self.topk,
            least=self.score_threshold,
        )
        return rank_people(people, num_keypoints=len(heatmaps), radius=self.nms_radius, least=self.score_threshold)

    def _roots(self, heatmaps: np.ndarray, short_offsets: np.ndarray) -> Roots:
        """Return the peaks of cells, moved by the short-range offsets there.

        Of neighbors with the same response the first in reading order stands for all.
        """
        types, height, width = heatmaps.shape
        framed = np.zeros((types, height + 2, width + 2), dtype=np.float32)
        framed[:, 1:-1, 1:-1] = heatmaps
        rows, columns, kinds = np.nonzero(not_exceeded(np.moveaxis(framed, 0, -1), self.threshold, first=True))
        last = np.array([width - 1, height - 1])
        offsets = np.stack([short_offsets[2 * kinds + axis, rows, columns] for axis in (0, 1)], axis=1)
        cells = np.stack([columns, rows], axis=1) + np.nan_to_num(offsets) / self.stride
        xy = cells_to_image(np.clip(cells, 0, last).astype(np.float64), self.stride)
        order = np.lexsort((xy[:, 0], xy[:, 1], kinds, -heatmaps[kinds, rows, columns]))
        return Roots(kinds[order], xy[order])
