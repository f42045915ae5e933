"""The decoder of the paper's method, which converts maps to poses."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from gog_pose.assembly.guided import group_by_guides
from gog_pose.assembly.limbs import follow_offsets, read_spreads
from gog_pose.errors import InputError
from gog_pose.maps.peaks import refine_peaks
from gog_pose.methods.candidates import CandidateDecoder
from gog_pose.methods.gog.candidates import Candidates, PeakWindows, as_array, read_windows
from gog_pose.poses import Poses

if TYPE_CHECKING:
    from gog_pose.maps.fields import Field
    from gog_pose.methods.gog.records import PoseMaps


@dataclass(frozen=True)
class GogDecoder(CandidateDecoder):
    """Greedy offset-guided keypoint grouping (Sec. 2.2 to 2.4): ``find_peaks``, ``score_limbs``, ``group_limbs``.

    Attributes in addition to those of ``CandidateDecoder``:

    Attributes:
        threshold: Lowest response of a keypoint candidate; the default is the public code's.
        refine: Add the refinement offsets to the positions of the peaks; the maps must have them.
        gate: Largest distance from a guiding offset's end to its target, px, input image (the public code: 40) ...
        gate_ratio: ... or as a part of the limb's length, whichever is larger (the public code: 0).
        min_length: Lower bound of the limb length L in the score, px, input image; also of ``spread_factor`` b.
        spread_factor: With a value above 0, the score of a limb is ``r_from r_to exp(-dl / (spread_factor b))`` with
            the predicted spread b of the guiding offset, as in PIFPAF, in place of the paper's
            ``r_from r_to exp(-dl / L)``; the maps must have spreads. The gates do not change.
        limb_threshold: Lowest connection score S of a candidate limb.
        agreement: Factor of a limb's gain if its two ends are connected to the same third keypoint; 0 = no gain.
        reach: Fragments that no limb connects are joined if no distance between their keypoints exceeds this part of
            the length that the limbs between can span (``join_fragments``); 0 = never.
        complete: Add missing keypoints at the ends of a person's offsets, marked as inferred.

    Raises:
        InputError: An option is out of its range.
    """

    POSITIVE = ("min_length",)
    NOT_NEGATIVE = ("agreement", "reach", "spread_factor")

    _: KW_ONLY
    threshold: float = 0.04
    refine: bool = False
    gate: float = 20.0
    gate_ratio: float = 0.5
    min_length: float = 0.5
    spread_factor: float = 0.0
    limb_threshold: float = 0.0
    agreement: float = 0.5
    reach: float = 0.8
    complete: bool = True

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """Fields of the maps."""
        from gog_pose.methods.gog.records import fields  # needs PyTorch, which ``gog_pose.runtime`` does without

        return fields(self.skeleton, self.stride)

    def __call__(self, maps: PoseMaps | PeakWindows) -> list[Poses]:
        """Decode a batch.

        Args:
            maps: ``(B, K, h, w)`` heatmaps, ``(B, 2L, h, w)`` offsets and the optional maps that the options use, on
                any device, of any floating type; or the windows that an exported file outputs.

        Returns:
            The people of each image, px, input image. The result for an image does not depend on the other images.

        Raises:
            InputError: The maps do not fit the skeleton, or lack the refinement offsets that ``refine`` requires or
                the spreads that ``spread_factor`` requires.
        """
        return self.group(self.candidates(maps))

    def candidates(self, maps: PoseMaps | PeakWindows) -> Candidates:
        """Return the candidates of maps or of the windows of an exported file.

        Args:
            maps: As for ``__call__``.

        Raises:
            InputError: As for ``__call__``.
        """
        if isinstance(maps, PeakWindows):
            if self.spread_factor and maps.spreads is None:
                raise InputError(
                    f"decoder.spread_factor: the exported file has no spreads ({self.spread_factor}); set it to 0"
                )
            return read_windows(
                maps,
                self.skeleton.limbs,
                stride=self.stride,
                localizer=self.localizer,
                sigma=self.sigma,
                refine=self.refine,
            )
        from gog_pose.maps.fields import check_maps

        check_maps(maps, self.fields, "gog")
        peaks = self.find_candidates(maps.heatmaps)
        if self.refine:
            if maps.refinements is None:
                raise InputError(
                    "decoder.refine: the maps have no refinement offsets; give maps that have them, or set refine=false"
                )
            peaks = refine_peaks(peaks, maps.refinements, self.stride)
        guides, spreads = follow_offsets(peaks, maps.offsets, self.skeleton.limbs, self.stride), None
        if self.spread_factor:
            if maps.spreads is None:
                raise InputError(
                    f"decoder.spread_factor: the maps have no spreads ({self.spread_factor}); give maps of a network"
                    " with method.heads.spread=true, or set spread_factor=0"
                )
            spreads = read_spreads(peaks, maps.spreads, self.skeleton.limbs, self.stride)
        return Candidates(*peaks, guides, spreads)

    def group(self, candidates: Candidates) -> list[Poses]:
        """Group the candidates of a batch into people.

        Args:
            candidates: Candidates of a batch; each image is grouped independently.

        Returns:
            The people of each image, px, input image.
        """
        tables = [as_array(table) for table in candidates if table is not None]
        return [self._group(*image) for image in zip(*tables, strict=True)]

    def _group(
        self, xy: np.ndarray, responses: np.ndarray, guides: np.ndarray, spreads: np.ndarray | None = None
    ) -> Poses:
        """Group the ``(K, n)`` peaks of one image.

        The ``(L, n, 2)`` guides lead from them to the next keypoints, with ``(L, n)`` spreads if the decoder uses them.
        """
        people, inferred = group_by_guides(
            xy,
            responses,
            guides,
            self.skeleton.limbs,
            gate=self.gate,
            gate_ratio=self.gate_ratio,
            min_length=self.min_length,
            decays=None if spreads is None else self.spread_factor * spreads.astype(np.float64),
            limb_threshold=self.limb_threshold,
            agreement=self.agreement,
            reach=self.reach,
            complete=self.complete,
        )
        return self.make_poses(people, xy, responses, inferred)
