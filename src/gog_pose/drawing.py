"""Poses on pictures: one colour a person, bright on the left side of the body and dark on the right."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import cv2
import numpy as np

from gog_pose.records import Poses
from gog_pose.skeleton import Skeleton, load_skeleton

Colour = tuple[int, int, int]

_SUBPIXEL_BITS = 4  # OpenCV takes coordinates as integers of 1/16 px
_OUTLINE: Colour = (16, 16, 16)
_BACKGROUND: Colour = (32, 32, 32)
_GAP = 4  # px between the cells of a contact sheet


def draw_poses(image: np.ndarray, poses: Poses, skeleton: Skeleton, *, min_response: float = 0.0) -> np.ndarray:
    """Draw people onto a copy of an image, the best on top.

    Inferred keypoints are not drawn: on a head that is turned away there would be eyes.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        poses: px of that image.
        skeleton: What the keypoints are.
        min_response: Keypoints below this response are left out, and the limbs that end there.

    Returns:
        ``(H, W, 3)`` uint8 RGB.
    """
    canvas = np.array(image)
    limbs = drawn_limbs(skeleton)
    for person in reversed(range(len(poses))):
        keypoints = poses.keypoints[person]
        shown = (keypoints[:, 2] > 0) & (keypoints[:, 2] >= min_response) & np.isfinite(keypoints).all(axis=1)
        if poses.inferred is not None:
            shown &= ~poses.inferred[person]
        if shown.any():
            _draw_person(canvas, keypoints[:, :2], shown, limbs, skeleton, person_colour(person))
    return canvas


def draw_ground_truth(image: np.ndarray, keypoints: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Draw annotated people: ``draw_poses`` for ``(P, K, 3)`` keypoints with COCO's visibility."""
    labelled = np.asarray(keypoints, dtype=np.float32).reshape(-1, skeleton.num_keypoints, 3).copy()
    labelled[..., 2] = labelled[..., 2] > 0
    return draw_poses(image, Poses(labelled, np.ones(len(labelled), dtype=np.float32)), skeleton)


def contact_sheet(images: Sequence[np.ndarray], columns: int = 4, cell_hw: tuple[int, int] = (360, 480)) -> np.ndarray:
    """Lay images out in rows, each fitted into a cell of its own.

    Args:
        images: At least one ``(H, W, 3)`` uint8 RGB image; sizes may differ.
        columns: Cells in a row; fewer if there are fewer images.
        cell_hw: Size of a cell, px.

    Returns:
        ``(H, W, 3)`` uint8 RGB.
    """
    if not images or columns < 1:
        raise ValueError(f"a contact sheet needs images and columns, got {len(images)} and {columns}")
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    pitch_y, pitch_x = cell_hw[0] + _GAP, cell_hw[1] + _GAP
    sheet = np.empty((rows * pitch_y + _GAP, columns * pitch_x + _GAP, 3), dtype=np.uint8)
    sheet[:] = _BACKGROUND
    for index, image in enumerate(images):
        fitted = fit(image, cell_hw)
        height, width = fitted.shape[:2]
        top = _GAP + index // columns * pitch_y + (cell_hw[0] - height) // 2
        left = _GAP + index % columns * pitch_x + (cell_hw[1] - width) // 2
        sheet[top : top + height, left : left + width] = fitted
    return sheet


def fit(image: np.ndarray, cell_hw: tuple[int, int]) -> np.ndarray:
    """Resize an image to the largest size of its shape that a cell holds."""
    height, width = image.shape[:2]
    scale = min(cell_hw[0] / height, cell_hw[1] / width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR))


def person_colour(index: int) -> Colour:
    """Return the RGB colour of a person; steps of the golden ratio keep the hues of any few people far apart."""
    hue = (0.33 + index * 0.618034) % 1
    red, green, blue = colorsys.hsv_to_rgb(hue, (0.8, 0.55)[index // 5 % 2], 1.0)
    return (round(255 * red), round(255 * green), round(255 * blue))


def drawn_limbs(skeleton: Skeleton) -> tuple[tuple[int, int], ...]:
    """Return the limbs to draw: all, but of COCO's denser skeletons only those that the paper's skeleton has too."""
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
    colour: Colour,
) -> None:
    """Draw one person in place.

    Args:
        canvas: ``(H, W, 3)`` uint8.
        points: ``(K, 2)`` px.
        shown: ``(K,)`` bool.
        limbs: Pairs of keypoint indices.
        skeleton: Tells left from right.
        colour: The person's.
    """
    size = float(np.ptp(points[shown], axis=0).max())
    thickness = int(np.clip(round(size / 70), 1, 12))
    outline = thickness + 2 * max(1, thickness // 4)
    right = {pair[1] for pair in skeleton.flip_pairs}
    dark: Colour = tuple(round(0.6 * channel) for channel in colour)  # type: ignore[assignment]

    fixed = np.round(points * 2**_SUBPIXEL_BITS)
    lines = [
        (tuple(map(int, fixed[start])), tuple(map(int, fixed[end])), dark if {start, end} & right else colour)
        for start, end in limbs
        if shown[start] and shown[end]
    ]
    for start, end, _ in lines:
        cv2.line(canvas, start, end, _OUTLINE, outline, cv2.LINE_AA, _SUBPIXEL_BITS)
    for start, end, shade in lines:
        cv2.line(canvas, start, end, shade, thickness, cv2.LINE_AA, _SUBPIXEL_BITS)

    radius = round((0.5 * thickness + 1) * 2**_SUBPIXEL_BITS)
    for index in np.flatnonzero(shown):
        centre = tuple(map(int, fixed[index]))
        border = radius + 2**_SUBPIXEL_BITS
        cv2.circle(canvas, centre, border, _OUTLINE, cv2.FILLED, cv2.LINE_AA, _SUBPIXEL_BITS)
        shade = dark if index in right else colour
        cv2.circle(canvas, centre, radius, shade, cv2.FILLED, cv2.LINE_AA, _SUBPIXEL_BITS)
