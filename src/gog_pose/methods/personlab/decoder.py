"""PersonLab's decoder: poses grow from confident keypoints along mid-range offsets (Sec. 3.1 of PersonLab's paper)."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import cached_property

import cv2
import numpy as np
import torch

from gog_pose.geometry import cells_to_image, image_to_cells
from gog_pose.maps.fields import Field, check_maps
from gog_pose.maps.peaks import finite
from gog_pose.methods.options import require_ranges
from gog_pose.methods.personlab.grouping import Roots, grow_people, rank_people
from gog_pose.methods.personlab.records import PersonLabMaps, edges, fields
from gog_pose.methods.personlab.walk import Place, PointReader, walk
from gog_pose.methods.personlab.waves import PointsReader, Ways, walk_together
from gog_pose.poses import Poses
from gog_pose.skeleton import Skeleton
from gog_pose.system.options import CountOrZero, require

_AROUND = np.ones((3, 3), dtype=np.uint8)
_BEFORE = np.array([[1, 1, 1], [1, 0, 0], [0, 0, 0]], dtype=np.uint8)  # neighbors before a cell in reading order


@dataclass(frozen=True)
class PersonLabDecoder:
    """Decodes maps like Google's ``posenet_decoder.cc`` (libcoral): roots are peaks of cells, without Hough voting.

    Every person has all keypoints that edges lead to; the score of each keypoint is its confidence.

    Attributes:
        skeleton: Keypoint types and limbs of a person.
        stride: Px of the input image per cell, R.
        threshold: Lowest response of a root.
        steps: Number of refinements of the end of a mid-range offset by the short-range offset at that point.
        nms_radius: Keypoints of a type at most this far apart are the same keypoint, px, input image.
        topk: Largest number of people per image.
        score_threshold: People with a lower score are dropped.

    Raises:
        InputError: An option is out of its range, or the skeleton has no limbs.
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
        edges(self.skeleton)
        positive, not_negative = ("threshold", "nms_radius"), ("score_threshold",)
        require_ranges(self, counts=("stride", "topk"), positive=positive, not_negative=not_negative)
        require("decoder.steps", self.steps, CountOrZero)

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """Fields of the maps."""
        return fields(self.skeleton, self.stride)

    @cached_property
    def ends(self) -> tuple[int, ...]:
        """The keypoint type that each edge leads to."""
        return tuple(end for _, end in edges(self.skeleton))

    @cached_property
    def leaving(self) -> tuple[tuple[tuple[int, int], ...], ...]:
        """For each keypoint type the edges that start at it, each with the type that it leads to."""
        directed = list(enumerate(edges(self.skeleton)))
        return tuple(
            tuple((edge, end) for edge, (start, end) in directed if start == kind)
            for kind in range(self.skeleton.num_keypoints)
        )

    @cached_property
    def ways(self) -> Ways:
        """The edges that start at each keypoint type, as arrays."""
        return Ways.of(self.leaving)

    @torch.no_grad()
    def __call__(self, maps: PersonLabMaps) -> list[Poses]:
        """Decode a batch.

        Args:
            maps: Maps of any floating type, on any device.

        Returns:
            The people of each image, px, input image. The result for an image does not depend on the other images.

        Raises:
            InputError: The maps do not fit the skeleton.
        """
        check_maps(maps, self.fields, "personlab")
        arrays = (field.detach().float().cpu().numpy() for field in maps)
        return [self._people(self.read(*image)) for image in zip(*arrays, strict=True)]

    def read(self, heatmaps: np.ndarray, short_offsets: np.ndarray, mid_offsets: np.ndarray) -> ImageReader:
        """Return a reader of the ``(C, h, w)`` maps of one image by these rules."""
        return ImageReader(self, finite(heatmaps), short_offsets, mid_offsets)

    def _people(self, reader: ImageReader) -> Poses:
        people = grow_people(
            reader.roots(),
            reader.grow,
            radius=self.nms_radius,
            topk=self.topk,
            least=self.score_threshold,
            grow_all=reader.grow_all if reader.waves else None,
        )
        types = self.skeleton.num_keypoints
        return rank_people(people, num_keypoints=types, radius=self.nms_radius, least=self.score_threshold)


class ImageReader:
    """Reader of the maps of one image: finds roots and follows offsets.

    Args:
        decoder: Decoder with the options.
        heatmaps: ``(K, h, w)`` finite.
        short_offsets: ``(2K, h, w)``.
        mid_offsets: ``(2E, h, w)``.

    Attributes:
        waves: Whether ``grow_all`` may be used; a class with other rules of growth has none.
    """

    waves = True

    def __init__(
        self, decoder: PersonLabDecoder, heatmaps: np.ndarray, short_offsets: np.ndarray, mid_offsets: np.ndarray
    ) -> None:
        self.decoder = decoder
        self.heatmaps, self.short_offsets, self.mid_offsets = heatmaps, short_offsets, mid_offsets
        self.responses, self.short, self.mid = map(PointReader, (heatmaps, short_offsets, mid_offsets))

    def roots(self) -> Roots:
        """Return the peaks of cells, moved by their short-range offsets.

        Of neighbors with the same response, only the first in reading order is a peak.
        """
        height, width = self.heatmaps.shape[1:]
        stride = self.decoder.stride
        parts = []
        for kind, picture in enumerate(self.heatmaps):  # one map at a time, which stays in the cache
            peaks = picture >= self.decoder.threshold
            peaks &= picture >= cv2.dilate(picture, _AROUND)
            peaks &= picture > cv2.dilate(picture, _BEFORE)
            (places,) = np.nonzero(peaks.reshape(-1))
            parts.append((np.full(len(places), kind), places))
        kinds, places = map(np.concatenate, zip(*parts, strict=True))
        rows, columns = np.divmod(places, width)
        offsets = np.stack([self.short_offsets[2 * kinds + axis, rows, columns] for axis in (0, 1)], axis=1)
        cells = np.stack([columns, rows], axis=1) + np.nan_to_num(offsets) / stride
        xy = cells_to_image(np.clip(cells, 0, (width - 1, height - 1)), stride)
        return Roots.sorted(kinds, xy, self.heatmaps[kinds, rows, columns])

    def grow(self, kind: int, xy: np.ndarray) -> np.ndarray:
        """Return the ``(K, 3)`` pose that starts at a keypoint: x, y (px, input image) and scores; 0 = not reached."""
        x, y = image_to_cells(xy, self.decoder.stride).tolist()
        return self._in_px(walk(kind, (x, y), self.decoder.leaving, self.step, self.responses.logit))

    def grow_all(self, kinds: np.ndarray, xy: np.ndarray) -> np.ndarray:
        """Return the ``(N, K, 3)`` poses that start at ``(N,)`` keypoints at ``(N, 2)`` positions, as by ``grow``."""
        stride = self.decoder.stride
        responses, short, mid = map(PointsReader, (self.heatmaps, self.short_offsets, self.mid_offsets))

        def steps(edges: np.ndarray, kinds: np.ndarray, starts: np.ndarray) -> np.ndarray:
            there = mid.moved(edges, starts, stride)
            for _ in range(self.decoder.steps):
                there = short.moved(kinds, there, stride)
            return there

        starts = image_to_cells(xy.T, stride)
        return self._in_px(walk_together(kinds, starts, self.decoder.ways, steps, responses.logits))

    def _in_px(self, poses: np.ndarray) -> np.ndarray:
        """Return ``(..., K, 3)`` poses with positions in px of the input image instead of cells."""
        px = cells_to_image(poses[..., :2], self.decoder.stride)
        poses[..., :2] = np.where(poses[..., 2:] > 0, px, 0)
        return poses

    def step(self, edge: int, start: Place) -> Place:
        """Follow a mid-range offset and refine its end; positions are in cells."""
        stride, end = self.decoder.stride, self.decoder.ends[edge]
        x, y = self.mid.moved(edge, *start, stride)
        for _ in range(self.decoder.steps):
            x, y = self.short.moved(end, x, y, stride)
        return x, y
