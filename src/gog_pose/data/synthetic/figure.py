"""A figure: a body with looks at a place in the image, which the parts of a person are painted on."""

from __future__ import annotations

import numpy as np

from gog_pose.data.synthetic.appearance import Appearance
from gog_pose.data.synthetic.body import Body


class Figure:
    """A body with looks at a place in the image.

    Attributes:
        body: Pose and view.
        looks: Skin, hair and clothes.
        height: Standing height, px.
        origin: ``(2,)`` px, where the middle of the hips lies.
    """

    def __init__(self, body: Body, looks: Appearance, height: float, origin: np.ndarray) -> None:
        self.body, self.looks, self.height, self.origin = body, looks, height, np.asarray(origin, dtype=float)

    def at(self, name: str) -> np.ndarray:
        """Return a point of the body, ``(2,)`` px."""
        return np.asarray(self.origin + self.height * self.body.points[name][:2])
