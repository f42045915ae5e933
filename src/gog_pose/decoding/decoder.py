"""The decoder: maps to poses."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import NamedTuple

import numpy as np
import torch

from gog_pose.decoding.completion import infer_missing
from gog_pose.decoding.flip import merge_flipped
from gog_pose.decoding.grouping import assemble_poses, group_limbs
from gog_pose.decoding.joining import join_fragments
from gog_pose.decoding.limbs import follow_offsets, merge_directions, score_limbs
from gog_pose.decoding.peaks import LOCALISERS, find_peaks, refine_peaks
from gog_pose.decoding.support import add_support
from gog_pose.errors import InputError
from gog_pose.records import PoseMaps, Poses
from gog_pose.skeleton import Skeleton

_CHOICES = {"localiser": LOCALISERS, "method": ("sparse", "dense"), "score": ("sum", "mean")}


class Candidates(NamedTuple):
    """What a batch of maps says about where keypoints are and where they lead, n candidates of a type.

    Attributes:
        xy: ``(B, K, n, 2)`` float32 peaks, px, input image.
        responses: ``(B, K, n)`` float32; 0 = no peak.
        guides: ``(B, L, n, 2)`` float32 J_guid, px, input image: where the offset of each limb leads from its starts.
    """

    xy: torch.Tensor
    responses: torch.Tensor
    guides: torch.Tensor

    def images(self, rows: slice) -> Candidates:
        """Return the candidates of some images of the batch."""
        return Candidates(*(field[rows] for field in self))


@dataclass(frozen=True)
class GogDecoder:
    """Greedy offset-guided keypoint grouping (Sec. 2.2 to 2.4): ``find_peaks``, ``score_limbs``, ``group_limbs``.

    Attributes:
        skeleton: What a person is made of.
        stride: Pixels of the input image a cell, R.
        topk: Candidates kept of each keypoint type, k.
        threshold: Lowest response of a keypoint candidate.
        localiser: Where a peak is: at the best pixel of the map upsampled R times, ``bicubic`` (the paper's; restores
            integer coordinates) or ``bilinear`` (cannot); at the maximum of the bicubic surface itself, less the shift
            that a Gaussian's has, ``subpixel`` (restores fractions, too); at the best ``cell``; or where a Gaussian
            through the cells around it has its centre, ``dark``.
        sigma: Of the responses the network was taught, sigma_k, px, input image: ``subpixel`` and ``dark`` use it.
        refine: Add the refinement offsets to the positions of the peaks; the maps must hold them.
        method: ``sparse`` interpolates only where a peak can be, ``dense`` everywhere; the result is the same.
        gate: A guiding offset may miss its target by this much, px, input image (the public code: 40) ...
        gate_ratio: ... or by this part of the limb's length, whichever is more (the public code: 0).
        min_length: Lower bound of the limb length L in the score, px, input image.
        limb_threshold: Lowest connection score S of a candidate limb.
        support: Of what a limb's score gains where its two ends lead to the same third keypoint; 0 = nothing.
        reach: Fragments that no limb connects are joined where none of their distances exceeds this part of what the
            limbs between could span (``join_fragments``); 0 = never.
        complete: Give people the keypoints they lack where their offsets lead, marked as inferred.
        min_keypoints: People of fewer keypoints are dropped; 1 keeps isolated keypoints.
        score: Score of a person: ``sum`` of the responses / K, or their ``mean`` over the keypoints found.
        score_threshold: People of a lower score are dropped.

    Raises:
        InputError: An option is out of its range.
    """

    skeleton: Skeleton
    _: KW_ONLY
    stride: int = 4
    topk: int = 32
    threshold: float = 0.04
    localiser: str = "subpixel"
    sigma: float = 7.0
    refine: bool = False
    method: str = "sparse"
    gate: float = 20.0
    gate_ratio: float = 0.5
    min_length: float = 0.5
    limb_threshold: float = 0.0
    support: float = 0.5
    reach: float = 0.8
    complete: bool = True
    min_keypoints: int = 1
    score: str = "sum"
    score_threshold: float = 0.0

    def __post_init__(self) -> None:
        """Check the options."""
        for option, choices in _CHOICES.items():
            if getattr(self, option) not in choices:
                raise InputError(
                    f"decoder.{option}: {getattr(self, option)!r} is unknown; choose {' or '.join(choices)}"
                )
        for option in ("stride", "topk", "min_keypoints"):
            if getattr(self, option) < 1:
                raise InputError(f"decoder.{option}: must be 1 or more, got {getattr(self, option)}")
        for option in ("threshold", "min_length", "sigma"):
            if not getattr(self, option) > 0:
                raise InputError(f"decoder.{option}: must be more than 0, got {getattr(self, option)}")
        for option in ("support", "reach"):
            if not getattr(self, option) >= 0:
                raise InputError(f"decoder.{option}: must be 0 or more, got {getattr(self, option)}")

    def __call__(self, maps: PoseMaps | Candidates) -> list[Poses]:
        """Decode a batch.

        Args:
            maps: ``(B, K, h, w)`` heatmaps and ``(B, 2L, h, w)`` offsets, on any device, of any floating type; or the
                candidates that an exported file has found in such.

        Returns:
            The people of each image, px, input image. An image's result does not depend on the others.

        Raises:
            InputError: The maps do not fit the skeleton, or lack the refinement offsets that ``refine`` asks for.
        """
        return self.group(maps if isinstance(maps, Candidates) else self.candidates(maps))

    @torch.no_grad()
    def candidates(self, maps: PoseMaps) -> Candidates:
        """Read from maps all that grouping needs; ``CandidateGraph`` does the same in an exported file.

        Args:
            maps: As for ``__call__``.

        Raises:
            InputError: Likewise.
        """
        check_maps(maps, self.skeleton)
        peaks = find_peaks(
            maps.heatmaps,
            stride=self.stride,
            topk=self.topk,
            threshold=self.threshold,
            localiser=self.localiser,
            method=self.method,
            sigma=self.sigma,
        )
        if self.refine:
            peaks = refine_peaks(peaks, _refinements(maps), self.stride)
        return Candidates(*peaks, follow_offsets(peaks, maps.offsets, self.skeleton.limbs, self.stride))

    def group(self, candidates: Candidates) -> list[Poses]:
        """Group the candidates of a batch into people.

        Args:
            candidates: Of images that do not influence each other.

        Returns:
            The people of each image, px, input image.
        """
        return [self._group(*image) for image in zip(*(field.cpu().numpy() for field in candidates), strict=True)]

    def merge_flipped(self, maps: PoseMaps, mirrored_maps: PoseMaps) -> PoseMaps:
        """Return the mean of the maps of images and of their mirror images, as the network answered both."""
        return merge_flipped(maps, mirrored_maps, self.skeleton)

    def _group(self, xy: np.ndarray, responses: np.ndarray, guides: np.ndarray) -> Poses:
        """Group the ``(K, n)`` peaks of one image; ``(L, n, 2)`` guides lead from them to the next ones."""
        limbs = self.skeleton.limbs
        candidates = score_limbs(
            xy,
            responses,
            guides,
            limbs,
            gate=self.gate,
            gate_ratio=self.gate_ratio,
            min_length=self.min_length,
            threshold=self.limb_threshold,
        )
        candidates = merge_directions(candidates, limbs, responses.shape)
        people = group_limbs(xy, responses, add_support(candidates, limbs, responses.shape, self.support))
        if self.reach:
            people = join_fragments(people, xy, responses, limbs, self.reach)
        return assemble_poses(
            people,
            xy,
            responses,
            min_keypoints=self.min_keypoints,
            score=self.score,
            score_threshold=self.score_threshold,
            inferred=infer_missing(people, xy, responses, guides, limbs, self.min_length) if self.complete else None,
        )


def check_maps(maps: PoseMaps, skeleton: Skeleton) -> None:
    """Check that maps have the channels of a skeleton and one size.

    Raises:
        InputError: They do not.
    """
    heatmaps, offsets = tuple(maps.heatmaps.shape), tuple(maps.offsets.shape)
    channels = skeleton.num_keypoints, 2 * skeleton.num_limbs
    fits = len(heatmaps) == len(offsets) == 4 and (heatmaps[1], offsets[1]) == channels
    if not fits or heatmaps[0] != offsets[0] or heatmaps[2:] != offsets[2:]:
        raise InputError(
            f"decoder: maps of shape {heatmaps} and {offsets} do not fit skeleton {skeleton.name};"
            f" give (B, {channels[0]}, h, w) heatmaps and (B, {channels[1]}, h, w) offsets"
        )


def _refinements(maps: PoseMaps) -> torch.Tensor:
    """Return the refinement offsets; raise if there are none, or of another size than the heatmaps."""
    if maps.refinements is None:
        raise InputError("decoder.refine: the maps hold no refinement offsets; give maps that do, or set refine=false")
    batch, _, height, width = maps.heatmaps.shape
    if maps.refinements.shape != (batch, 2, height, width):
        raise InputError(
            f"decoder.refine: refinement offsets of shape {tuple(maps.refinements.shape)} do not fit heatmaps of shape"
            f" {tuple(maps.heatmaps.shape)}; give (B, 2, h, w)"
        )
    return maps.refinements
