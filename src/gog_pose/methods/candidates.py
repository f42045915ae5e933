"""Options of candidates and of people, for the decoders that begin with the peaks of heatmaps."""

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
    """A decoder whose candidates are the peaks of heatmaps; grouping is up to the method.

    Attributes:
        skeleton: What a person is made of.
        stride: Px of the input image per cell, R.
        topk: Candidates kept of each keypoint type, k.
        threshold: Lowest response of a keypoint candidate.
        localizer: Where a peak is: at the best pixel of the map upsampled R times, ``bicubic`` (the paper's; restores
            integer coordinates) or ``bilinear`` (cannot); at the maximum of the bicubic surface itself, less the shift
            that a Gaussian's has, ``subpixel`` (restores fractions, too); at the best ``cell``; or where a Gaussian
            through the cells around it has its center, ``dark``.
        sigma: Of the responses the network was taught, sigma_k, px, input image: ``subpixel`` and ``dark`` use it.
        min_keypoints: People of fewer keypoints are dropped; 1 keeps isolated keypoints.
        score: Score of a person: ``sum`` of the responses / K, or their ``mean`` over the keypoints found.
        score_threshold: People of a lower score are dropped.

    Raises:
        InputError: An option is out of its range.
    """

    # Options of a subclass beside those above: names with their choices, and names by their range.
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
        """Interpolate heatmaps where a peak can be; plain decoders do it everywhere, with the same result."""
        return blocks(maps, stride, threshold, interpolation)

    def find_candidates(self, heatmaps: torch.Tensor, stride: int | None = None) -> Peaks:
        """Find the candidates of a batch.

        Args:
            heatmaps: ``(B, K, h, w)``.
            stride: Of these heatmaps, px per cell; None = R.
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
        """Make poses of the candidates that people have; the arguments are those of ``assemble_poses``."""
        return assemble_poses(
            people,
            xy,
            responses,
            min_keypoints=self.min_keypoints,
            score=self.score,
            score_threshold=self.score_threshold,
            inferred=inferred,
        )
