"""Synthetic people: pictures of articulated, dressed bodies with exact COCO annotations.

``synthesize`` writes a data set, ``render_scene`` draws one picture; both depend only on their arguments and the seed.
"""

from gog_pose.data.synthetic.dataset import synthesize
from gog_pose.data.synthetic.scene import Scene, render_scene

__all__ = ["Scene", "render_scene", "synthesize"]
