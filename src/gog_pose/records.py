"""The records that the parts of the package hand to each other: targets, maps and poses."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

from gog_pose.geometry import apply_affine
from gog_pose.images import ImageLike, pixels_of
from gog_pose.skeleton import Skeleton


class People(NamedTuple):
    """The labelled people of one image, as encoders take them; px of the input image.

    Attributes:
        keypoints: ``(P, K, 3)`` float32 x, y and COCO visibility.
        scales: ``(P,)`` float32 root of each person's box area, the individual scale of Sec. 2.5.
        boxes: ``(P, 4)`` float32 x, y, width, height around each person's box, as far as it is in the image.
    """

    keypoints: np.ndarray
    scales: np.ndarray
    boxes: np.ndarray


class TargetMarks(NamedTuple):
    """The targets of a batch of images of one size as the few cells that are not 0; a fifteenth of their bytes.

    Places count the cells of flattened ``(B, C, h, w)`` maps: those of all fields of the targets but the mask, one
    field after the other.

    Attributes:
        peak_places: ``(N,)`` int64 where responses go; of several in a place, the largest counts.
        peak_values: ``(N,)`` float32 responses.
        places: ``(M,)`` int64 where all else goes, none twice.
        values: ``(M,)`` float32.
        mask: ``(B, 1, h, w)`` float32, 1 = supervised, 0 = ignored.
        num_channels: C.
    """

    peak_places: torch.Tensor
    peak_values: torch.Tensor
    places: torch.Tensor
    values: torch.Tensor
    mask: torch.Tensor
    num_channels: int

    @classmethod
    def join(cls, batches: Sequence[TargetMarks]) -> TargetMarks:
        """Join the marks of batches of images of one size."""
        masks = [batch.mask for batch in batches]
        starts = itertools.accumulate((mask.numel() * batches[0].num_channels for mask in masks), initial=0)
        moved = [
            (batch.peak_places + start, batch.peak_values, batch.places + start, batch.values)
            for batch, start in zip(batches, starts, strict=False)
        ]
        fields = [torch.cat(list(field)) for field in (*zip(*moved, strict=True), masks)]
        return cls._make([*fields, batches[0].num_channels])


class PoseTargets(NamedTuple):
    """What a network should answer; one image, or a batch with a leading dimension.

    Attributes:
        heatmaps: ``(K, h, w)`` Gaussian responses in [0, 1].
        offsets: ``(2L, h, w)`` guiding offsets, px of the input image, interleaved ``x_0, y_0, x_1, ...``; 0 where
            the weight is 0.
        offset_weights: ``(L, h, w)`` 1 / person scale (1 / px) inside the support of a limb's start, 0 elsewhere.
        mask: ``(1, h, w)`` 1 = supervised, 0 = ignored.
        refinements: ``(2, h, w)`` refinement offsets x and y, px of the input image, of the keypoints of all types; 0
            where the weight is 0. None unless the encoder draws them.
        refinement_weights: ``(1, h, w)`` 1 on the supports of refinement offsets, 0 elsewhere; None likewise.
    """

    heatmaps: torch.Tensor
    offsets: torch.Tensor
    offset_weights: torch.Tensor
    mask: torch.Tensor
    refinements: torch.Tensor | None = None
    refinement_weights: torch.Tensor | None = None

    @classmethod
    def stack(cls, images: Sequence[PoseTargets]) -> PoseTargets:
        """Join the targets of images of one size to a batch."""
        fields: list[Any] = [None if field[0] is None else torch.stack(field) for field in zip(*images, strict=True)]
        return cls(*fields)

    def image(self, place: int) -> PoseTargets:
        """Return the targets of one image of a batch."""
        fields: list[Any] = [None if field is None else field[place] for field in self]
        return PoseTargets(*fields)

    def as_maps(self) -> PoseMaps:
        """Return the targets of one image as if a network had answered them, with a batch dimension of 1."""
        refinements = None if self.refinements is None else self.refinements[None]
        return PoseMaps(self.heatmaps[None], self.offsets[None], refinements)


class PoseMaps(NamedTuple):
    """What a network answers: the maps of one stack.

    Attributes:
        heatmaps: ``(B, K, h, w)`` keypoint responses.
        offsets: ``(B, 2L, h, w)`` guiding offsets, px of the input image, interleaved ``x_0, y_0, x_1, ...``.
        refinements: ``(B, 2, h, w)`` refinement offsets x and y, px of the input image: from a cell to the nearest
            keypoint of any type. None where the network has no such head.
    """

    heatmaps: torch.Tensor
    offsets: torch.Tensor
    refinements: torch.Tensor | None = None

    def images(self, rows: slice) -> PoseMaps:
        """Return the maps of some images of the batch."""
        fields: list[Any] = [None if field is None else field[rows] for field in self]
        return PoseMaps(*fields)


@dataclass(frozen=True)
class Poses:
    """The people of one image.

    Attributes:
        keypoints: ``(N, K, 3)`` float32 ``x, y, response``; a response of 0 means not found (x = y = 0 then).
            px of the input image as the decoder gives them, px of the original image as ``PoseEstimator`` does.
        scores: ``(N,)`` float32, descending.
        inferred: ``(N, K)`` True for keypoints that are no detected peak but lie where the offset of another keypoint
            leads, whose response they have; None = there are none.
        skeleton: What the keypoints are; ``PoseEstimator`` says it, decoders leave it open.
    """

    keypoints: np.ndarray
    scores: np.ndarray
    inferred: np.ndarray | None = None
    skeleton: Skeleton | None = None

    def __len__(self) -> int:
        return len(self.scores)

    def above(self, min_score: float) -> Poses:
        """Keep the people whose score is at least ``min_score``."""
        kept = self.scores >= min_score
        inferred = None if self.inferred is None else self.inferred[kept]
        return replace(self, keypoints=self.keypoints[kept], scores=self.scores[kept], inferred=inferred)

    def best(self, count: int) -> Poses:
        """Keep the ``count`` people with the highest scores."""
        inferred = None if self.inferred is None else self.inferred[:count]
        return replace(self, keypoints=self.keypoints[:count], scores=self.scores[:count], inferred=inferred)

    def transformed(self, matrix: np.ndarray) -> Poses:
        """Move the keypoints that were found by an affine map ``(3, 3)``; what was not found stays at 0."""
        keypoints = self.keypoints.copy()
        found = keypoints[..., 2] > 0
        keypoints[found, :2] = apply_affine(keypoints[found, :2], matrix)
        return replace(self, keypoints=keypoints)

    def draw(self, image: ImageLike, *, min_score: float = 0.25) -> Image.Image:
        """Draw the people onto a copy of their image.

        Args:
            image: What they were found in: a path, a Pillow image or an ``(H, W, 3)`` uint8 RGB array.
            min_score: People below this score are left out.

        Returns:
            A picture; notebooks show it as it is.

        Raises:
            InputError: The image cannot be read.
            ValueError: The poses come from no ``PoseEstimator``, so that nothing says what the keypoints are.
        """
        from gog_pose.drawing import draw_poses

        if self.skeleton is None:
            raise ValueError("these poses do not know their skeleton; use gog_pose.drawing.draw_poses")
        return Image.fromarray(draw_poses(pixels_of(image), self.above(min_score), self.skeleton))

    def to_supervision(self) -> Any:
        """Return the people as ``supervision.KeyPoints``, for its annotators and trackers; not found is at (0, 0).

        Raises:
            ImportError: The package supervision is not installed, or too old.
        """
        try:
            supervision = importlib.import_module("supervision")
        except ImportError:
            raise ImportError("to_supervision() needs another package: pip install 'supervision>=0.30'") from None
        return supervision.KeyPoints(
            xy=self.keypoints[..., :2],
            keypoint_confidence=self.keypoints[..., 2],
            detection_confidence=self.scores,
            class_id=np.zeros(len(self), dtype=int),
        )

    def to_coco(self, image_id: int, category_id: int = 1) -> list[dict[str, Any]]:
        """Return one entry a person, in COCO's results format.

        Only the four fields COCO asks for are written: with a ``bbox`` pycocotools would take the area from it.
        """
        entries = []
        for keypoints, score in zip(self.keypoints, self.scores, strict=True):
            found = keypoints[:, 2:] > 0
            values = np.concatenate([keypoints[:, :2], found], axis=1)
            entries.append(
                {
                    "image_id": int(image_id),
                    "category_id": int(category_id),
                    "keypoints": [round(float(value), 3) for value in values.ravel()],
                    "score": float(score),
                }
            )
        return entries
