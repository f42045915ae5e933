"""Colors of people and keypoint types."""

from __future__ import annotations

import colorsys

from gog_pose.skeleton import Skeleton

Color = tuple[int, int, int]


def person_color(index: int) -> Color:
    """Return the RGB color of a person; golden-ratio steps keep the hues of people with close numbers far apart."""
    hue = (0.33 + index * 0.618034) % 1
    return _rgb(hue, (0.8, 0.55)[index // 5 % 2])


def keypoint_colors(skeleton: Skeleton) -> tuple[Color, ...]:
    """Return an RGB color per keypoint type: red to yellow on the left, cyan to violet on the right, green between."""
    hues = [0.36] * skeleton.num_keypoints
    for rank, (left, right) in enumerate(skeleton.flip_pairs):
        part = rank / max(1, len(skeleton.flip_pairs) - 1)
        hues[left], hues[right] = 0.17 * part, 0.5 + 0.28 * part
    return tuple(_rgb(hue, 0.75) for hue in hues)


def _rgb(hue: float, saturation: float) -> Color:
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, 1.0)
    return (round(255 * red), round(255 * green), round(255 * blue))
