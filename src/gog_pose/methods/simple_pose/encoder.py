"""The encoder of Simple Pose, which converts people to heatmaps and limb maps."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import torch

from gog_pose.errors import InputError
from gog_pose.maps.fields import Field
from gog_pose.maps.gaussians import gaussian_marks
from gog_pose.maps.lines import line_marks
from gog_pose.maps.marks import GridMarks, TargetMarks, render_marks, supervision_mask
from gog_pose.methods.people import People, checked_keypoints
from gog_pose.methods.simple_pose.body import body_of, shoulders
from gog_pose.methods.simple_pose.records import SimplePoseTargets, fields
from gog_pose.skeleton import Skeleton
from gog_pose.system.options import Count, Positive

_FARTHEST = 1e6  # px; keypoints beyond are mistakes


class SimplePoseEncoder:
    """Computes heatmaps and limb maps (Li, Su, Wang, "Simple Pose", 2020).

    By default the heatmaps are those of the paper's method, so that only the grouping differs. Where limbs of several
    people overlap, a cell takes the largest response. The public program takes the mean, which halves the response of a
    limb that crosses the rectangle of another one.

    Args:
        skeleton: Keypoint types and limbs.
        stride: Px of the input image per cell, ``R``.
        sigma: Standard deviation of the Gaussian responses of keypoints, px of the input image; the public program's is
            9.
        limb_sigma: Standard deviation of the responses across a limb, px of the input image.
        min_response: Responses below this become 0.
        body: The points and limbs that have maps (``body_of``).

    Raises:
        InputError: An option is out of range, or the skeleton has no such body.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        *,
        stride: Count = 4,
        sigma: Positive = 7.0,
        limb_sigma: Positive = 7.0,
        min_response: float = 0.01,
        body: str = "skeleton",
    ) -> None:
        if stride < 1 or sigma <= 0 or limb_sigma <= 0 or not 0 < min_response < 1:
            raise InputError(
                f"encoder: stride {stride} must be >= 1, sigma {sigma} and limb_sigma {limb_sigma} > 0,"
                f" min_response {min_response} between 0 and 1"
            )
        self.skeleton = skeleton
        self.stride = stride
        self.sigma = sigma
        self.limb_sigma = limb_sigma
        self.min_response = min_response
        self.body = body
        self.taught = body_of(skeleton, body)

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """Fields of the maps that the targets are."""
        return fields(self.skeleton, self.stride, self.body)

    def points(self, people: People) -> np.ndarray:
        """Return ``(P, T, 3)`` points: the keypoints, the neck if there is one, and the middle of each limb."""
        points = self._points(np.asarray(people.keypoints, dtype=np.float32))
        starts, ends = np.array(self.taught.limbs, dtype=np.intp).T
        return np.concatenate([points, _middles(points[:, starts], points[:, ends])], axis=1)

    def marks(self, people: People, image_size: tuple[int, int], ignore: np.ndarray | None = None) -> TargetMarks:
        """Compute the targets of one image as the cells that are not 0.

        Args:
            people: People, of whom the keypoints are used. Those with visibility > 0 have targets, and limbs whose ends
                both have.
            image_size: ``(H, W)`` of the input image, multiples of the stride.
            ignore: ``(H, W)`` bool, True = do not supervise; a cell is ignored when most of its pixels are.

        Raises:
            ValueError: A shape is wrong, or the image size is not a multiple of the stride.
        """
        keypoints, (height, width) = checked_keypoints(people, self.skeleton.num_keypoints, image_size, self.stride)
        grid: dict[str, Any] = {
            "map_size": (height, width),
            "stride": self.stride,
            "min_response": self.min_response,
        }
        types, limbs = self.taught.num_keypoints, np.array(self.taught.limbs, dtype=np.intp)

        points = self._points(keypoints)
        labeled = (points[..., 2] > 0) & (np.abs(points[..., :2]) < _FARTHEST).all(axis=2)  # false for nan, too
        xy = np.ascontiguousarray(points[labeled][:, :2].T)
        places, values = gaussian_marks(xy, np.nonzero(labeled)[1], sigma=self.sigma, **grid)
        person, limb = np.nonzero(labeled[:, limbs].all(axis=2))
        start, end = (points[person, limbs[limb, side], :2].T for side in (0, 1))
        limb_places, limb_values = line_marks(start, end, limb + types, sigma=self.limb_sigma, **grid)
        return TargetMarks(
            (
                GridMarks(
                    torch.from_numpy(np.concatenate([places, limb_places])),
                    torch.from_numpy(np.concatenate([values, limb_values])),
                    torch.zeros(0, dtype=torch.int64),
                    torch.zeros(0),
                    supervision_mask(ignore, (height, width), self.stride),
                    types + len(limbs),
                ),
            )
        )

    def render(self, marks: TargetMarks) -> SimplePoseTargets:
        """Write the marks of a batch of images into targets on their device."""
        (grid,) = marks.grids
        heatmaps, limbs = torch.split(render_marks(grid), [self.taught.num_keypoints, self.taught.num_limbs], dim=1)
        return SimplePoseTargets(heatmaps, limbs, grid.mask)

    def _points(self, keypoints: np.ndarray) -> np.ndarray:
        """Return the ``(P, K, 3)`` points of the body."""
        if self.body == "skeleton":
            return keypoints
        left, right = shoulders(self.skeleton)
        return np.concatenate([keypoints, _middles(keypoints[:, [left]], keypoints[:, [right]])], axis=1)


def _middles(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return the ``(P, n, 3)`` middles of pairs of points, labeled if both points are, otherwise 0."""
    both = (start[..., 2:] > 0) & (end[..., 2:] > 0)
    middle = np.concatenate([(start[..., :2] + end[..., :2]) / 2, np.minimum(start[..., 2:], end[..., 2:])], axis=2)
    return np.where(both, middle, 0).astype(np.float32)
