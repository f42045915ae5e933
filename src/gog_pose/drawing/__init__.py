"""Pictures of people and maps. All functions take arrays: ``(H, W, 3)`` uint8 RGB images, ``(N, K, 3)`` keypoints.

For users: ``draw_people``, ``draw_heatmaps``, ``draw_vectors``, ``draw_ignored`` and ``contact_sheet``. Pictures of
maps have one color per keypoint type: warm on the left side of the body, cold on the right, green in the middle.
"""

from gog_pose.drawing.colors import keypoint_colors
from gog_pose.drawing.maps import draw_heatmaps, draw_ignored, draw_vectors
from gog_pose.drawing.people import draw_people
from gog_pose.drawing.sheets import contact_sheet, fit

__all__ = [
    "contact_sheet",
    "draw_heatmaps",
    "draw_ignored",
    "draw_people",
    "draw_vectors",
    "fit",
    "keypoint_colors",
]
