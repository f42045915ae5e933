"""The encoder of the paper's method, which converts people to targets."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import torch

from gog_pose.errors import InputError
from gog_pose.geometry import cells_to_image
from gog_pose.maps.fields import Field
from gog_pose.maps.gaussians import gaussian_marks
from gog_pose.maps.marks import GridMarks, TargetMarks, render_marks, supervision_mask
from gog_pose.maps.records import image_of
from gog_pose.maps.vectors import vector_marks
from gog_pose.maps.windows import nearest_cells
from gog_pose.methods.gog.records import PoseTargets, fields, require_limbs
from gog_pose.methods.people import People
from gog_pose.skeleton import Skeleton
from gog_pose.system.options import Count, CountOrZero, Positive

Array = np.ndarray | torch.Tensor

_FARTHEST = 1e6  # px; keypoints beyond are mistakes, and float32 has no fractions of a px there


class PoseEncoder:
    """Computes heatmaps, guiding offsets, refinement offsets and the supervision mask (Sec. 2.2, 2.3, 3).

    A call with the people of one image returns the targets of the image. The two steps may run in different processes:
    ``marks`` computes the cells that are not 0, ``render`` writes those of a batch into maps on any device.

    Args:
        skeleton: Keypoint types and limbs.
        stride: Px of the input image per cell, ``R``.
        sigma: ``sigma_k`` of the Gaussian responses, px of the input image, the same for all types.
        support: Side of the square of cells that carries a limb's offsets, cells, odd.
        min_response: Gaussian responses below this become 0; the value is the public code's, the paper has none.
        quantize: Move each keypoint to the center of the nearest cell before its Gaussian is rendered ("qnt" in Table
            2). The paper's "to an integer coordinate" does not name the grid; it must be that of the maps, because
            COCO's coordinates are already integers in the image. Guiding and refinement offsets do not change: a cell
            points at the exact keypoint, which corrects the rounding in "qnt + ro".
        refinement: Side of the square of cells that carries a keypoint's refinement offsets ("ro" in Table 2), cells,
            odd (3 in the public code); 0 = none.

    Raises:
        InputError: An option is out of range, or the skeleton has no limbs.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        *,
        stride: Count = 4,
        sigma: Positive = 7.0,
        support: Count = 7,
        min_response: float = 0.01,
        quantize: bool = False,
        refinement: CountOrZero = 0,
    ) -> None:
        require_limbs(skeleton)
        if stride < 1 or sigma <= 0 or support < 1 or support % 2 == 0 or not 0 < min_response < 1:
            raise InputError(
                f"encoder: stride {stride} must be >= 1, sigma {sigma} > 0, support {support} odd,"
                f" min_response {min_response} between 0 and 1"
            )
        if refinement < 0 or (refinement and refinement % 2 == 0):
            raise InputError(f"encoder.refinement: must be 0 or an odd, positive number of cells, got {refinement}")
        self.skeleton = skeleton
        self.stride = stride
        self.sigma = sigma
        self.support = support
        self.min_response = min_response
        self.quantize = quantize
        self.refinement = refinement
        self._lengths = [skeleton.num_keypoints, 2 * skeleton.num_limbs, skeleton.num_limbs]  # maps per field
        if refinement:
            self._lengths += [2, 1]
        self._starts, self._ends = np.array(skeleton.limbs, dtype=np.int64).reshape(-1, 2).T

    def __call__(
        self, keypoints: Array, scales: Array, image_size: tuple[int, int], ignore: Array | None = None
    ) -> PoseTargets:
        """Encode the people of one image.

        Args:
            keypoints: ``(P, K, 3)`` x, y (px, input image) and COCO visibility; all with visibility > 0 have targets.
                The Gaussian of a keypoint outside the image may extend into it; set its visibility to 0 to prevent
                this.
            scales: ``(P,)`` square root of each person's box area, px of the input image.
            image_size: ``(H, W)`` of the input image, multiples of the stride.
            ignore: ``(H, W)`` bool, True = do not supervise; a cell is ignored when most of its pixels are.

        Returns:
            Targets of one image, float32, on the device of ``keypoints`` if that is a tensor.

        Raises:
            ValueError: A shape is wrong, or the image size is not a multiple of the stride.
        """
        people = People(_as_array(keypoints), _as_array(scales), boxes=np.zeros((0, 4)))  # boxes are not used
        marks = self.marks(people, image_size, None if ignore is None else _as_array(ignore))
        if isinstance(keypoints, torch.Tensor) and keypoints.device.type != "cpu":
            marks = marks.to(keypoints.device)
        return image_of(self.render(marks), 0)

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """Fields of the maps that the targets are."""
        return fields(self.skeleton, self.stride)

    def points(self, people: People) -> np.ndarray:
        """Return the ``(P, K, 3)`` keypoints; fields do not refer to other points."""
        return people.keypoints

    def marks(self, people: People, image_size: tuple[int, int], ignore: np.ndarray | None = None) -> TargetMarks:
        """Compute the targets of one image as the cells that are not 0; it raises the same errors as a call.

        Args:
            people: People, of whom keypoints and scales are used.
            image_size: ``(H, W)`` of the input image, multiples of the stride.
            ignore: ``(H, W)`` bool, True = do not supervise; a cell is ignored when most of its pixels are.
        """
        keypoints, scales = _as_array(people.keypoints), _as_array(people.scales)
        num_keypoints, num_limbs = self.skeleton.num_keypoints, self.skeleton.num_limbs
        if keypoints.ndim != 3 or keypoints.shape[1:] != (num_keypoints, 3) or len(scales) != len(keypoints):
            raise ValueError(
                f"keypoints must be (P, {num_keypoints}, 3) and scales (P,), got {keypoints.shape} and {scales.shape}"
            )
        if image_size[0] % self.stride or image_size[1] % self.stride:
            raise ValueError(f"image_size {image_size} must be a multiple of the stride {self.stride}")
        height, width = image_size[0] // self.stride, image_size[1] // self.stride
        grid: dict[str, Any] = {"map_size": (height, width), "stride": self.stride}

        x, y, visibility = planes = keypoints.reshape(-1, 3).T.copy()  # (3, PK)
        labelled = (visibility > 0) & (np.abs(x) < _FARTHEST) & (np.abs(y) < _FARTHEST)  # false for nan, too
        drawn = np.flatnonzero(labelled)
        points = planes[:2].take(drawn, axis=1)
        peak_places, peak_values = gaussian_marks(
            cells_to_image(nearest_cells(points, self.stride), self.stride) if self.quantize else points,
            drawn % num_keypoints,
            sigma=self.sigma,
            min_response=self.min_response,
            **grid,
        )
        first = num_keypoints * np.arange(len(keypoints))[:, None]  # index of the first keypoint of each person
        starts, ends = first + self._starts, first + self._ends  # (P, L)
        person, limb = np.nonzero(labelled.take(starts) & labelled.take(ends))
        # Guiding offsets (Sec. 2.3): every cell of a support points exactly at the end keypoint. At the start keypoint
        # this is the paper's J_to - J_from; elsewhere it is correct for slightly displaced peaks, too. A cell belongs
        # to the person whose start is nearest; in the public code, to the person with the shorter vector.
        places, values = vector_marks(
            planes[:2].take(starts[person, limb], axis=1),
            planes[:2].take(ends[person, limb], axis=1),
            1 / np.maximum(scales, 1).take(person),  # 1 / px; finite for degenerate boxes, too
            limb,
            num_channels=num_limbs,
            support=self.support,
            **grid,
        )
        places += num_keypoints * height * width
        if self.refinement:
            # Refinement offsets lead exactly to the keypoint; as in the public code, all types share one pair of maps.
            ones, one_map = np.ones(points.shape[1], dtype=np.float32), np.zeros(points.shape[1], dtype=np.int64)
            more_places, more_values = vector_marks(
                points, points, ones, one_map, num_channels=1, support=self.refinement, **grid
            )
            more_places += (num_keypoints + 3 * num_limbs) * height * width
            places, values = np.concatenate([places, more_places]), np.concatenate([values, more_values])
        arrays = [torch.from_numpy(array) for array in (peak_places, peak_values, places, values)]
        mask = supervision_mask(ignore, (height, width), self.stride)
        return TargetMarks((GridMarks._make([*arrays, mask, sum(self._lengths)]),))

    def render(self, marks: TargetMarks) -> PoseTargets:
        """Write the marks of a batch of images into targets on their device."""
        (grid,) = marks.grids
        heatmaps, offsets, weights, *refinement = torch.split(render_marks(grid), self._lengths, dim=1)
        return PoseTargets(heatmaps, offsets, weights, grid.mask, *refinement)


def _as_array(values: Array) -> np.ndarray:
    return np.asarray(values.detach().cpu() if isinstance(values, torch.Tensor) else values, dtype=np.float32)
