"""Figures: posed bodies with an appearance and a position in the image."""

from __future__ import annotations

import numpy as np

from gog_pose.data.synthetic.appearance import Appearance
from gog_pose.data.synthetic.body import Body


class Figure:
    """A posed body with an appearance and a position in the image.

    Attributes:
        body: Pose and view.
        looks: Skin, hair and clothes.
        height: Standing height, px.
        origin: ``(2,)`` px, center of the hips.
    """

    def __init__(self, body: Body, looks: Appearance, height: float, origin: np.ndarray) -> None:
        self.body, self.looks, self.height, self.origin = body, looks, height, np.asarray(origin, dtype=float)

    def at(self, name: str) -> np.ndarray:
        """Return a point of the body, ``(2,)`` px."""
        return np.asarray(self.origin + self.height * self.body.points[name][:2])
