"""Pictures of people: one color per person, bright on the left side of the body and dark on the right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gog_pose.drawing.canvas import dot, fixed, line
from gog_pose.drawing.colors import Color, person_color
from gog_pose.skeleton import Skeleton, load_skeleton

_OUTLINE: Color = (16, 16, 16)


def draw_people(
    image: np.ndarray,
    keypoints: np.ndarray,
    skeleton: Skeleton,
    inferred: np.ndarray | None = None,
    *,
    colors: Sequence[int] | np.ndarray | None = None,
    min_response: float = 0.0,
) -> np.ndarray:
    """Draw people on a copy of an image, the first one on top.

    Inferred keypoints are not drawn, because they would put eyes on a head that is turned away.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        keypoints: ``(N, K, 3)`` x, y (px of that image) and response or visibility; 0 = missing.
        skeleton: Keypoint types, limbs and sides of the body.
        inferred: ``(N, K)`` True for inferred keypoints, which are left out; None = no keypoint is inferred.
        colors: N color numbers, such as track ids; None = 0, 1, 2, ...
        min_response: Keypoints below this response are left out, as are their limbs.

    Returns:
        ``(H, W, 3)`` uint8 RGB.
    """
    canvas = np.array(image)
    limbs = drawn_limbs(skeleton)
    for person in reversed(range(len(keypoints))):
        own = keypoints[person]
        shown = (own[:, 2] > 0) & (own[:, 2] >= min_response) & np.isfinite(own).all(axis=1)
        if inferred is not None:
            shown &= ~inferred[person]
        if shown.any():
            _draw_person(
                canvas,
                own[:, :2],
                shown,
                limbs,
                skeleton,
                person_color(person if colors is None else int(colors[person])),
            )
    return canvas


def drawn_limbs(skeleton: Skeleton) -> tuple[tuple[int, int], ...]:
    """Return the limbs to draw: all of them, or of COCO's denser skeletons only those of the paper's skeleton."""
    limbs = tuple((start, end) for start, end in skeleton.limbs)
    sparse = load_skeleton("coco_19")
    if skeleton.keypoints != sparse.keypoints:
        return limbs
    wanted = {frozenset(limb) for limb in sparse.limbs}
    if not wanted <= {frozenset(limb) for limb in limbs}:
        return limbs
    return tuple(limb for limb in limbs if frozenset(limb) in wanted)


def _draw_person(
    canvas: np.ndarray,
    points: np.ndarray,
    shown: np.ndarray,
    limbs: Sequence[tuple[int, int]],
    skeleton: Skeleton,
    color: Color,
) -> None:
    """Draw one person in place.

    Args:
        canvas: ``(H, W, 3)`` uint8.
        points: ``(K, 2)`` px.
        shown: ``(K,)`` bool.
        limbs: Pairs of keypoint indices.
        skeleton: Its mirror pairs give the sides of the body.
        color: Color of the person.
    """
    size = float(np.ptp(points[shown], axis=0).max())
    thickness = int(np.clip(round(size / 70), 1, 12))
    outline = thickness + 2 * max(1, thickness // 4)
    right = {pair[1] for pair in skeleton.flip_pairs}
    dark: Color = tuple(round(0.6 * channel) for channel in color)  # type: ignore[assignment]

    places = fixed(points)
    lines = [
        (places[start], places[end], dark if {start, end} & right else color)
        for start, end in limbs
        if shown[start] and shown[end]
    ]
    for start, end, _ in lines:
        line(canvas, start, end, _OUTLINE, outline)
    for start, end, shade in lines:
        line(canvas, start, end, shade, thickness)

    radius = 0.5 * thickness + 1
    for index in np.flatnonzero(shown):
        dot(canvas, places[index], radius + 1, _OUTLINE)
        dot(canvas, places[index], radius, dark if index in right else color)
