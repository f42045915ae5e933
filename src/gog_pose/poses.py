"""Poses: the people of one image."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image

from gog_pose.drawing.people import draw_people
from gog_pose.geometry import apply_affine
from gog_pose.imaging.reading import ImageLike, pixels_of
from gog_pose.skeleton import Skeleton


@dataclass(frozen=True)
class Poses:
    """The people of one image.

    Attributes:
        keypoints: ``(N, K, 3)`` float32 ``x, y, response``; a response of 0 means not found (then x = y = 0).
            Coordinates are px of the input image from decoders, and px of the original image from ``PoseEstimator``.
        scores: ``(N,)`` float32, descending.
        inferred: ``(N, K)`` True for keypoints without a peak, which are placed where the offset of another keypoint
            points and have the response of that keypoint; None = no inferred keypoints.
        track_ids: ``(N,)`` int, ids of the people in a video, from 1; 0 = no track; None = not tracked.
        skeleton: Skeleton of the keypoints; set by ``PoseEstimator``, None from decoders.
    """

    keypoints: np.ndarray
    scores: np.ndarray
    inferred: np.ndarray | None = None
    skeleton: Skeleton | None = None
    track_ids: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.scores)

    def above(self, min_score: float) -> Poses:
        """Keep the people whose score is at least ``min_score``."""
        return self._chosen(self.scores >= min_score)

    def best(self, count: int) -> Poses:
        """Keep the ``count`` people with the highest scores."""
        return self._chosen(slice(count))

    def _chosen(self, people: Any) -> Poses:
        inferred = None if self.inferred is None else self.inferred[people]
        track_ids = None if self.track_ids is None else self.track_ids[people]
        return replace(
            self,
            keypoints=self.keypoints[people],
            scores=self.scores[people],
            inferred=inferred,
            track_ids=track_ids,
        )

    def transformed(self, matrix: np.ndarray) -> Poses:
        """Apply an affine transformation ``(3, 3)`` to the found keypoints; the others stay at 0."""
        keypoints = self.keypoints.copy()
        found = keypoints[..., 2] > 0
        keypoints[found, :2] = apply_affine(keypoints[found, :2], matrix)
        return replace(self, keypoints=keypoints)

    def draw(self, image: ImageLike, *, min_score: float = 0.25) -> Image.Image:
        """Draw the people on a copy of their image.

        Args:
            image: The image: a path, a Pillow image or an ``(H, W, 3)`` uint8 RGB array.
            min_score: People below this score are left out.

        Returns:
            A picture, which notebooks display directly.

        Raises:
            InputError: The image cannot be read.
            ValueError: The poses have no skeleton, because they do not come from a ``PoseEstimator``.
        """
        if self.skeleton is None:
            raise ValueError("these poses have no skeleton; use gog_pose.drawing.draw_people")
        shown = self.above(min_score)
        return Image.fromarray(draw_people(pixels_of(image), shown.keypoints, self.skeleton, shown.inferred))

    def to_supervision(self) -> Any:
        """Return the people as ``supervision.KeyPoints``, for its annotators and trackers; (0, 0) means not found.

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
        """Return one entry per person in COCO's results format; tracked people also have a ``track_id``.

        Other fields are omitted, because pycocotools would compute the area from a ``bbox``.
        """
        entries: list[dict[str, Any]] = []
        for person, (keypoints, score) in enumerate(zip(self.keypoints, self.scores, strict=True)):
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
            if self.track_ids is not None:
                entries[-1]["track_id"] = int(self.track_ids[person])
        return entries
