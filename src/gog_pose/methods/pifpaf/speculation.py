"""Growth of all seeds in one batch, although most of them belong to poses that other seeds start."""

from __future__ import annotations

import numpy as np

from gog_pose.methods.pifpaf.occupancy import Occupancy


class Race:
    """Seeds that grow in one batch. A seed drops out when the pose of a better one reaches it.

    Args:
        owners: Squares of the seeds.
        squares: ``(B,)`` numbers of the squares of the seeds, all different, the best seed first.

    Attributes:
        running: ``(B,)`` bool, whether each seed still grows; the first one always does.
    """

    def __init__(self, owners: Occupancy, squares: np.ndarray) -> None:
        self.running = np.ones(len(squares), dtype=bool)
        self._owners = owners
        self._seeds = np.full(owners.count + 1, -1)
        self._seeds[squares] = np.arange(len(squares))

    def reach(self, seeds: np.ndarray, types: np.ndarray, xy: np.ndarray) -> None:
        """Drop the seeds in whose squares the poses of better seeds have a new keypoint.

        Args:
            seeds: ``(M,)`` index of the seed of each pose.
            types: ``(M,)`` types of the new keypoints.
            xy: ``(2, M)`` px of the input image.
        """
        reached = self._seeds[self._owners.holders(self._owners.places(types, xy))]
        self.running[np.maximum(seeds, reached)[reached >= 0]] = False
