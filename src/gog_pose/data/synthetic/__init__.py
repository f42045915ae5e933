"""Synthetic people: pictures of articulated, dressed bodies with exact COCO annotations.

``synthesize`` writes a data set, ``render_scene`` draws one picture; both follow from a seed alone.
"""

from gog_pose.data.synthetic.dataset import synthesize
from gog_pose.data.synthetic.scene import Scene, render_scene

__all__ = ["Scene", "render_scene", "synthesize"]
