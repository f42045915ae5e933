"""The decoder: maps to poses."""

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
    """Grouping by limb maps (Li, Su, Wang, "Simple Pose", 2020).

    The candidates are those of the paper's method. A limb is scored by the responses of its map on the line between two
    candidates, read on the same bicubic surface. The attributes beside those of ``CandidateDecoder``:

    Attributes:
        body: The points and limbs that have maps (``body_of``).
        samples: Places on a line at which its map is read.
        limb_threshold: A place responds if the map is higher there.
        consistency: Least part of the places of a limb that must respond.
        long_limb: Limbs longer than this part of the long side of the input lose strength (``score_lines``).
        assemble: ``listed``: the rules of the public program, limb type by limb type (``group_listed``), where a person
            gets either end of a limb; or ``joint``: those of the paper's method, where the limbs of all types compete.
        length_ratio: Of ``listed``: a limb must be shorter than this many times the longest limb of the person.
        merge_tolerance: Of ``listed``: two people are not joined by a limb weaker than this part of their weakest.
        agreement: Of ``joint``, as of ``GogDecoder``.
        reach: Fragments that no limb connects are joined, as of ``GogDecoder``; 0 = never, as in the public program.

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
            maps: Of any floating type, on any device.

        Returns:
            The people of each image, px, input image. An image's result does not depend on the others.

        Raises:
            InputError: The maps do not fit the body.
        """
        check_maps(maps, self.fields, "simple_pose")
        peaks = self.find_candidates(maps.heatmaps)
        limbs = maps.limbs.detach().float().cpu().numpy()
        images = zip(peaks.xy.cpu().numpy(), peaks.responses.cpu().numpy(), limbs, strict=True)
        return [self._group(xy, responses, finite(image)) for xy, responses, image in images]

    def _group(self, xy: np.ndarray, responses: np.ndarray, maps: np.ndarray) -> Poses:
        """Group the ``(K, n)`` peaks of one image by its limb maps ``(L, h, w)``."""
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
        """Return a test of where limb maps ``(L, h, w)`` may respond; None in plain decoders, which read everything."""
        above = blocks_above(maps, self.limb_threshold)

        def may_respond(source: np.ndarray, points: np.ndarray) -> np.ndarray:
            column, row = np.floor(image_to_cells(points.T.astype(np.float64), self.stride)).astype(np.intp) + 1
            return np.asarray(above[source, row, column])

        return may_respond
