"""The encoder of Associative Embedding, which converts people to heatmaps and lists of each person's cells."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch

from gog_pose.errors import InputError
from gog_pose.geometry import cells_to_image
from gog_pose.maps.fields import Field
from gog_pose.maps.gaussians import gaussian_marks
from gog_pose.maps.marks import GridMarks, TargetMarks, render_marks, supervision_mask
from gog_pose.maps.windows import nearest_cells
from gog_pose.methods.associative_embedding.records import FINER, AssociativeTargets, fields
from gog_pose.methods.people import People, checked_keypoints
from gog_pose.skeleton import Skeleton


class AssociativeEncoder:
    """Computes heatmaps and the cells of each person (Newell, Huang, Deng, "Associative Embedding", 2017, Sec. 3).

    By default the heatmaps are those of the paper's method, so that only the grouping differs.

    Args:
        skeleton: Keypoint types.
        stride: Px of the input image per cell, ``R``.
        sigma: Standard deviation of the Gaussian responses, px of the input image.
        min_response: Gaussian responses below this become 0.
        quantize: Move each keypoint to the center of the nearest cell before its Gaussian is rendered, as in
            HigherHRNet's program (whose cells lie half a px further right, because it counts from a pixel's corner).
        resolutions: 2 = additional heatmaps at half the stride, as in HigherHRNet.
        fine_sigma: Standard deviation of the responses at half the stride, px of the input image.

    Raises:
        InputError: An option is out of range.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        *,
        stride: int = 4,
        sigma: float = 7.0,
        min_response: float = 0.01,
        quantize: bool = False,
        resolutions: int = 1,
        fine_sigma: float = 3.5,
    ) -> None:
        if stride < 1 or sigma <= 0 or fine_sigma <= 0 or not 0 < min_response < 1:
            raise InputError(
                f"encoder: stride {stride} must be >= 1, sigma {sigma} and fine_sigma {fine_sigma} > 0,"
                f" min_response {min_response} between 0 and 1"
            )
        if resolutions not in (1, 2) or (resolutions == 2 and stride % FINER):
            raise InputError(
                f"encoder.resolutions: must be 1, or 2 if the stride is even, got {resolutions} at stride {stride}"
            )
        self.skeleton = skeleton
        self.stride = stride
        self.sigma = sigma
        self.min_response = min_response
        self.quantize = quantize
        self.resolutions = resolutions
        self.fine_sigma = fine_sigma

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """Fields of the maps that the targets are."""
        return fields(self.skeleton, self.stride)

    def points(self, people: People) -> np.ndarray:
        """Return the ``(P, K, 3)`` keypoints; fields do not refer to other points."""
        return people.keypoints

    def marks(self, people: People, image_size: tuple[int, int], ignore: np.ndarray | None = None) -> TargetMarks:
        """Compute the targets of one image as the cells that are not 0.

        The list does not contain the cells of keypoints in ignored cells (in the public program, it does).

        Args:
            people: People, of whom the keypoints are used; all with visibility > 0 have targets.
            image_size: ``(H, W)`` of the input image, multiples of the stride.
            ignore: ``(H, W)`` bool, True = do not supervise; a cell is ignored when most of its pixels are.

        Raises:
            ValueError: A shape is wrong, or the image size is not a multiple of the stride.
        """
        keypoints, _ = checked_keypoints(people, self.skeleton.num_keypoints, image_size, self.stride)
        labeled = (keypoints[..., 2] > 0) & np.isfinite(keypoints).all(axis=2)
        grids = [self._grid(keypoints, labeled, image_size, ignore, self.stride, self.sigma)]
        if self.resolutions == 2:
            fine = self.stride // FINER
            grids.append(self._grid(keypoints, labeled, image_size, ignore, fine, self.fine_sigma))
        cells = self._cells(keypoints, labeled, grids[0].mask[0, 0].numpy())
        return TargetMarks(tuple(grids), ([torch.from_numpy(cells)],))

    def render(self, marks: TargetMarks) -> AssociativeTargets:
        """Write the marks of a batch of images into targets on their device."""
        (people,) = marks.lists
        grid, *fine = marks.grids
        more = [(render_marks(one), one.mask) for one in fine]
        return AssociativeTargets(render_marks(grid), grid.mask, people, *(more[0] if more else ()))

    def _grid(
        self,
        keypoints: np.ndarray,
        labeled: np.ndarray,
        image_size: tuple[int, int],
        ignore: np.ndarray | None,
        stride: int,
        sigma: float,
    ) -> GridMarks:
        """Return the marks of the responses of one resolution, and its mask."""
        map_size = (image_size[0] // stride, image_size[1] // stride)
        xy = np.ascontiguousarray(keypoints[labeled][:, :2].T)
        places, values = gaussian_marks(
            cells_to_image(nearest_cells(xy, stride), stride) if self.quantize else xy,
            np.nonzero(labeled)[1],
            map_size=map_size,
            stride=stride,
            sigma=sigma,
            min_response=self.min_response,
        )
        return GridMarks(
            torch.from_numpy(places),
            torch.from_numpy(values),
            torch.zeros(0, dtype=torch.int64),
            torch.zeros(0),
            supervision_mask(ignore, map_size, stride),
            self.skeleton.num_keypoints,
        )

    def _cells(self, keypoints: np.ndarray, labeled: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Return the ``(P, K)`` cells of the people who have at least one, -1 = none."""
        height, width = mask.shape
        x, y = np.moveaxis(nearest_cells(np.where(labeled[..., None], keypoints[..., :2], -1e6), self.stride), -1, 0)
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        column, row = (np.where(inside, axis, 0).astype(np.int64) for axis in (x, y))
        cells = np.where(inside & (mask[row, column] > 0), row * width + column, -1)
        return np.asarray(cells[(cells >= 0).any(axis=1)])
