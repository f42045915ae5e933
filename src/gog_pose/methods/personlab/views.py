"""Pictures of the maps: disks, and where mid-range offsets lead."""

from __future__ import annotations

from gog_pose.methods.views import HEATMAPS

VIEWS = {"heatmaps": HEATMAPS}
