"""People to targets."""

from __future__ import annotations

import numpy as np
import torch
from gog_pose.methods.minimal.records import MinimalTargets, fields

from gog_pose.maps.fields import Field
from gog_pose.maps.gaussians import gaussian_marks
from gog_pose.maps.marks import GridMarks, TargetMarks, render_marks, supervision_mask
from gog_pose.methods.people import People
from gog_pose.skeleton import Skeleton


class MinimalEncoder:
    """Renders a Gaussian around the mean of each person's labeled keypoints."""

    def __init__(self, skeleton: Skeleton, *, stride: int = 4, sigma: float = 7.0) -> None:
        self.skeleton = skeleton
        self.stride = stride
        self.sigma = sigma

    @property
    def fields(self) -> tuple[Field, ...]:
        """Fields of the maps that the targets describe."""
        return fields(self.skeleton, self.stride)

    def points(self, people: People) -> np.ndarray:
        """Return keypoints and means, ``(P, K + 1, 3)``."""
        labelled = people.keypoints[..., 2:] > 0
        count = labelled.sum(axis=1)
        mean = (people.keypoints[..., :2] * labelled).sum(axis=1) / np.maximum(count, 1)
        means = np.concatenate([mean, 2 * (count > 0)], axis=1)[:, None]
        return np.concatenate([people.keypoints, means], axis=1).astype(np.float32)

    def marks(self, people: People, image_size: tuple[int, int], ignore: np.ndarray | None = None) -> TargetMarks:
        """Compute the responses that are not 0, and list the people."""
        points = self.points(people)
        points = points[points[:, -1, 2] > 0]
        points = points[np.lexsort(points[:, -1, :2].T)]  # the order of people changes nothing
        size = (image_size[0] // self.stride, image_size[1] // self.stride)
        xy = np.ascontiguousarray(points[:, -1, :2].T)
        places, values = gaussian_marks(
            xy,
            np.zeros(len(points), dtype=np.int64),
            map_size=size,
            stride=self.stride,
            sigma=self.sigma,
            min_response=0.01,
        )
        nothing = torch.zeros(0)
        grid = GridMarks(
            torch.from_numpy(places),
            torch.from_numpy(values),
            nothing.long(),
            nothing,
            supervision_mask(ignore, size, self.stride),
            1,
        )
        return TargetMarks((grid,), ([torch.from_numpy(points)], [torch.tensor([self.stride])]))

    def render(self, marks: TargetMarks) -> MinimalTargets:
        """Render the responses; the lists are passed beside them."""
        (grid,) = marks.grids
        return MinimalTargets(render_marks(grid), grid.mask, *marks.lists)
