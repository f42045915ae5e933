"""The decoder of Simple Pose, which converts maps to poses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Annotated, ClassVar

import numpy as np
import torch

from gog_pose.assembly.agreement import add_agreement
from gog_pose.assembly.greedy import group_limbs
from gog_pose.assembly.joining import join_fragments
from gog_pose.assembly.lines import Lines, Read, all_lines, as_limbs, choose_one_to_one, score_lines
from gog_pose.assembly.listed import group_listed, with_single_peaks
from gog_pose.geometry import image_to_cells
from gog_pose.maps.fields import Field, check_maps
from gog_pose.maps.peaks import finite
from gog_pose.maps.surface import blocks_above, read_surface
from gog_pose.methods.candidates import CandidateDecoder
from gog_pose.methods.simple_pose.body import body_of
from gog_pose.methods.simple_pose.records import SimplePoseMaps, fields
from gog_pose.poses import Poses
from gog_pose.skeleton import Skeleton
from gog_pose.system.options import Range, Share, require

_Samples = Annotated[int, Range(2, 1000)]


@dataclass(frozen=True)
class SimplePoseDecoder(CandidateDecoder):
    """Decodes maps by grouping with limb maps (Li, Su, Wang, "Simple Pose", 2020).

    The candidates are those of the paper's method. A limb is scored by the responses of its map on the line between two
    candidates, read on the same bicubic surface. Attributes in addition to those of ``CandidateDecoder``:

    Attributes:
        body: The points and limbs that have maps (``body_of``).
        samples: Number of points on a line at which its map is read.
        limb_threshold: A point responds if its response is higher.
        consistency: Smallest part of the points of a limb that must respond.
        long_limb: Limbs longer than this part of the longer side of the input lose strength (``score_lines``).
        assemble: ``listed``: the rules of the public program, limb type by limb type (``group_listed``), in which a
            limb can also add its first end; or ``joint``: the rules of the paper's method, in which the limbs of all
            types are sorted together.
        length_ratio: For ``listed``: a limb must be shorter than this many times the longest limb of the person.
        merge_tolerance: For ``listed``: a limb joins two people only if its strength is at least this part of their
            weakest limb's.
        agreement: For ``joint``, as in ``GogDecoder``.
        reach: Joining of fragments that no limb connects, as in ``GogDecoder``; 0 = never, as in the public program.

    Raises:
        InputError: An option is out of its range.
    """

    CHOICES: ClassVar[Mapping[str, Sequence[str]]] = {"assemble": ("listed", "joint")}
    POSITIVE = ("long_limb", "length_ratio")
    NOT_NEGATIVE = ("limb_threshold", "merge_tolerance", "agreement", "reach")

    _: KW_ONLY
    body: str = "skeleton"
    samples: int = 20
    limb_threshold: float = 0.1
    consistency: float = 0.8
    long_limb: float = 0.5
    assemble: str = "listed"
    length_ratio: float = 16.0
    merge_tolerance: float = 0.7
    agreement: float = 0.5
    reach: float = 0.8

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        body_of(self.skeleton, self.body)
        require("decoder.samples", self.samples, _Samples)
        require("decoder.consistency", self.consistency, Share)

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """Fields of the maps."""
        return fields(self.skeleton, self.stride, self.body)

    @cached_property
    def taught(self) -> Skeleton:
        """The points and limbs that have maps."""
        return body_of(self.skeleton, self.body)

    @torch.no_grad()
    def __call__(self, maps: SimplePoseMaps) -> list[Poses]:
        """Decode a batch.

        Args:
            maps: Maps of any floating type, on any device.

        Returns:
            The people of each image, px, input image. The result for an image does not depend on the other images.

        Raises:
            InputError: The maps do not fit the body.
        """
        check_maps(maps, self.fields, "simple_pose")
        peaks = self.find_candidates(maps.heatmaps)
        limbs = maps.limbs.detach().float().cpu().numpy()
        images = zip(peaks.xy.cpu().numpy(), peaks.responses.cpu().numpy(), limbs, strict=True)
        return [self._group(xy, responses, finite(image)) for xy, responses, image in images]

    def _group(self, xy: np.ndarray, responses: np.ndarray, maps: np.ndarray) -> Poses:
        """Group the ``(K, n)`` peaks of one image by its ``(L, h, w)`` limb maps."""
        limbs = self.taught.limbs
        lines = self._lines(xy, responses, maps)
        if self.assemble == "listed":
            chosen = choose_one_to_one(lines, xy, responses, limbs)
            rows = group_listed(
                chosen, responses, limbs, length_ratio=self.length_ratio, merge_tolerance=self.merge_tolerance
            )
            people = with_single_peaks(rows.people, responses)
        else:
            candidates = add_agreement(as_limbs(lines, responses, limbs), limbs, responses.shape, self.agreement)
            people = group_limbs(xy, responses, candidates)
        if self.reach:
            people = join_fragments(people, xy, responses, limbs, self.reach)
        return self.make_poses(people[:, : self.skeleton.num_keypoints], xy, responses)

    def _lines(self, xy: np.ndarray, responses: np.ndarray, maps: np.ndarray) -> Lines:
        """Return the candidate limbs of one image."""
        limbs = self.taught.limbs
        return score_lines(
            all_lines(xy, responses, limbs),
            xy,
            limbs,
            lambda source, points: read_surface(maps, source, points, self.stride),
            samples=self.samples,
            threshold=self.limb_threshold,
            consistency=self.consistency,
            longest=self.long_limb * self.stride * max(maps.shape[1:]),
            may_respond=self.preview(maps),
        )

    def preview(self, maps: np.ndarray) -> Read | None:
        """Return a test for points at which ``(L, h, w)`` limb maps may respond; None = all points are read."""
        above = blocks_above(maps, self.limb_threshold)
        _, height, width = above.shape
        flat = above.ravel()

        def may_respond(source: np.ndarray, points: np.ndarray) -> np.ndarray:
            # Points lie inside the image, so that + 1 makes them positive and truncation rounds them down.
            column, row = (image_to_cells(points.T, self.stride) + 1).astype(np.intp)
            return np.asarray(flat.take((source * height + row) * width + column))

        return may_respond
