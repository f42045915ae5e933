"""Canvases for drawing tests, and a skeleton that is easy to find in a picture."""

import numpy as np

from gog_pose.skeleton import Skeleton

STICK = Skeleton("stick", ("left", "right", "top"), ((0, 2), (1, 2)), ((0, 1),), (0.1, 0.1, 0.1))
GREY = np.full((80, 100, 3), 128, np.uint8)
DARK = round(0.4 * 128)  # GREY below maps


def changed(image, other):
    return (image != other).any(axis=2)
