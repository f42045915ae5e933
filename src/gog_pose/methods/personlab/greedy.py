"""Cross-over of PersonLab's maps and GOG's grouping: refined mid-range offsets as guiding offsets."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gog_pose.assembly.greedy import assemble_poses
from gog_pose.assembly.guided import group_by_guides
from gog_pose.geometry import cells_to_image, image_to_cells
from gog_pose.maps.peaks import finite
from gog_pose.methods.options import require_ranges
from gog_pose.methods.personlab.decoder import ImageReader, PersonLabDecoder
from gog_pose.methods.personlab.grouping import Roots
from gog_pose.methods.personlab.records import edges
from gog_pose.methods.personlab.voting import VotingReader
from gog_pose.poses import Poses


@dataclass(frozen=True)
class GreedyDecoder(PersonLabDecoder):
    """Decodes PersonLab's maps by greedy offset-guided grouping, the rules of ``GogDecoder``.

    Candidates are the roots of PersonLab. The mid-range offsets of all edges, refined by the short-range offsets, lead
    from each candidate to the next keypoints. Attributes in addition to those of ``PersonLabDecoder``:

    Attributes:
        threshold: Lowest response of a candidate, the probability of a disk at its position.
        nms_radius: Of candidates of a type at most this far apart, only the best one remains, px, input image.
        topk: Candidates kept per keypoint type.
        vote_threshold: Lowest Hough score of a candidate; 0 = candidates are the peaks of cells, without voting.
        radius: Radius of the target disks, px, input image, for voting.
        gate: As in ``GogDecoder``, px, input image.
        gate_ratio: As in ``GogDecoder``.
        min_length: As in ``GogDecoder``, px, input image.
        agreement: As in ``GogDecoder``.
        reach: As in ``GogDecoder``.
        complete: As in ``GogDecoder``.

    Raises:
        InputError: An option is out of its range, or the skeleton has no limbs.
    """

    topk: int = 32
    vote_threshold: float = 0.0
    radius: float = 32.0
    gate: float = 20.0
    gate_ratio: float = 0.5
    min_length: float = 0.5
    agreement: float = 0.5
    reach: float = 0.8
    complete: bool = True

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        not_negative = ("vote_threshold", "gate", "gate_ratio", "agreement", "reach")
        require_ranges(self, positive=("radius", "min_length"), not_negative=not_negative)

    def read(self, heatmaps: np.ndarray, short_offsets: np.ndarray, mid_offsets: np.ndarray) -> ImageReader:
        """Return a reader of the ``(C, h, w)`` maps of one image, with or without voting."""
        if not self.vote_threshold:
            return super().read(heatmaps, short_offsets, mid_offsets)
        maps = finite(heatmaps), finite(short_offsets), mid_offsets
        return VotingReader(self, *maps, radius=self.radius, threshold=self.vote_threshold)

    def _people(self, reader: ImageReader) -> Poses:
        xy, responses = self.candidates(reader)
        people, inferred = group_by_guides(
            xy,
            responses,
            self.guides(reader, xy, responses),
            edges(self.skeleton),
            gate=self.gate,
            gate_ratio=self.gate_ratio,
            min_length=self.min_length,
            limb_threshold=0.0,
            agreement=self.agreement,
            reach=self.reach,
            complete=self.complete,
        )
        return assemble_poses(
            people,
            xy,
            responses,
            min_keypoints=1,
            score="sum",
            score_threshold=self.score_threshold,
            inferred=inferred,
        )

    def candidates(self, reader: ImageReader) -> tuple[np.ndarray, np.ndarray]:
        """Return ``(K, n, 2)`` x and y (px, input image) and the ``(K, n)`` responses of the candidates, 0 = none."""
        roots = reader.roots()
        types = range(self.skeleton.num_keypoints)
        found = [self._confident(reader, kind, apart(roots, kind, self.nms_radius)) for kind in types]
        most = max(len(some) for some in found)
        candidates = np.zeros((len(found), most, 3))
        for row, some in zip(candidates, found, strict=True):
            row[: len(some)] = some
        return candidates[..., :2].astype(np.float32), candidates[..., 2].astype(np.float32)

    def _confident(self, reader: ImageReader, kind: int, xy: np.ndarray) -> np.ndarray:
        """Return ``(n, 3)`` x, y (px, input image) and response of the best candidates of a type, best first."""
        cells = image_to_cells(xy, self.stride).tolist()
        logits = np.array([reader.responses.logit(kind, *reader.responses.clamped(*cell)) for cell in cells])
        responses = 1 / (1 + np.exp(-logits))
        best = np.argsort(-responses, kind="stable")[: self.topk]
        best = best[responses[best] >= self.threshold]
        return np.column_stack([xy[best], responses[best]])

    def guides(self, reader: ImageReader, xy: np.ndarray, responses: np.ndarray) -> np.ndarray:
        """Return the ``(E, n, 2)`` ends of the edges that start at the candidates, px, input image."""
        limbs = edges(self.skeleton)
        guides = np.zeros((len(limbs), *xy.shape[1:]))
        cells = image_to_cells(xy, self.stride).tolist()
        for edge, (start, _) in enumerate(limbs):
            for rank in np.flatnonzero(responses[start]).tolist():
                x, y = cells[start][rank]
                guides[edge, rank] = reader.step(edge, reader.responses.clamped(x, y))
        return np.asarray(cells_to_image(guides, self.stride))


def apart(roots: Roots, kind: int, radius: float) -> np.ndarray:
    """Return the ``(N, 2)`` positions of a type's roots without those near a better root.

    Args:
        roots: Roots, best first.
        kind: Keypoint type.
        radius: A root at most this far from a better remaining root is left out, px, input image.
    """
    kept: list[tuple[float, float]] = []
    for x, y in roots.xy[roots.kinds == kind].tolist():
        if all(math.hypot(x - other_x, y - other_y) > radius for other_x, other_y in kept):
            kept.append((x, y))
    return np.array(kept, dtype=np.float64).reshape(-1, 2)
