"""Base class of decoders that begin with the peaks of heatmaps: options of candidates and of people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from gog_pose.assembly.greedy import assemble_poses
from gog_pose.maps.peaks import LOCALIZERS, Peaks, find_peaks
from gog_pose.maps.surface import Tiles, blocks
from gog_pose.methods.options import require_choices, require_ranges
from gog_pose.poses import Poses
from gog_pose.skeleton import Skeleton

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class CandidateDecoder:
    """Decoder whose candidates are the peaks of heatmaps; subclasses implement the grouping.

    Attributes:
        skeleton: Keypoint types and limbs of a person.
        stride: Px of the input image per cell, R.
        topk: Candidates kept per keypoint type, k.
        threshold: Lowest response of a keypoint candidate.
        localizer: Position of a peak. ``bicubic`` (the paper's): the highest pixel of the map, upsampled R times; it
            restores integer coordinates. ``bilinear``: the same with bilinear upsampling; it does not restore them.
            ``subpixel``: the maximum of the bicubic surface, corrected for the shift of a Gaussian's maximum; it also
            restores fractions. ``cell``: the highest cell. ``dark``: the center of a Gaussian fitted to the cells
            around it.
        sigma: Standard deviation of the target responses, sigma_k, px, input image, for ``subpixel`` and ``dark``.
        min_keypoints: People with fewer keypoints are dropped; 1 keeps isolated keypoints.
        score: Score of a person: ``sum`` of the responses / K, or ``mean`` of the responses of its keypoints.
        score_threshold: People with a lower score are dropped.

    Raises:
        InputError: An option is out of its range.
    """

    # Additional options of a subclass: names with their choices, and names by their range.
    CHOICES: ClassVar[Mapping[str, Sequence[str]]] = {}
    POSITIVE: ClassVar[Sequence[str]] = ()
    NOT_NEGATIVE: ClassVar[Sequence[str]] = ()

    skeleton: Skeleton
    _: KW_ONLY
    stride: int = 4
    topk: int = 32
    threshold: float = 0.1
    localizer: str = "subpixel"
    sigma: float = 7.0
    min_keypoints: int = 1
    score: str = "sum"
    score_threshold: float = 0.0

    def __post_init__(self) -> None:
        """Check the options."""
        require_choices(self, {"localizer": LOCALIZERS, "score": ("sum", "mean"), **self.CHOICES})
        require_ranges(
            self,
            counts=("stride", "topk", "min_keypoints"),
            positive=("threshold", "sigma", *self.POSITIVE),
            not_negative=self.NOT_NEGATIVE,
        )

    @staticmethod
    def interpolate(maps: np.ndarray, stride: int, threshold: float, interpolation: str) -> Tiles:
        """Interpolate heatmaps where peaks are possible; reference decoders interpolate all, with the same peaks."""
        return blocks(maps, stride, threshold, interpolation)

    def find_candidates(self, heatmaps: torch.Tensor, stride: int | None = None) -> Peaks:
        """Find the candidates of a batch.

        Args:
            heatmaps: ``(B, K, h, w)``.
            stride: Stride of these heatmaps, px per cell; None = R.
        """
        return find_peaks(
            heatmaps,
            stride=self.stride if stride is None else stride,
            topk=self.topk,
            threshold=self.threshold,
            localizer=self.localizer,
            sigma=self.sigma,
            interpolate=self.interpolate,
        )

    def make_poses(
        self, people: np.ndarray, xy: np.ndarray, responses: np.ndarray, inferred: np.ndarray | None = None
    ) -> Poses:
        """Convert people, given by their candidates, to poses; the arguments are those of ``assemble_poses``."""
        return assemble_poses(
            people,
            xy,
            responses,
            min_keypoints=self.min_keypoints,
            score=self.score,
            score_threshold=self.score_threshold,
            inferred=inferred,
        )
