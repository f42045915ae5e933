"""Poses and maps on pictures.

Poses have one colour a person, bright on the left side of the body and dark on the right. In maps the colours tell the
keypoint types apart: warm on the left side of the body, cold on the right, green between.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import cv2
import numpy as np

from gog_pose.encoding.window import nearest_cells
from gog_pose.geometry import cells_to_image
from gog_pose.records import Poses
from gog_pose.skeleton import Skeleton, load_skeleton

Colour = tuple[int, int, int]

_SUBPIXEL_BITS = 4  # OpenCV takes coordinates as integers of 1/16 px
_FARTHEST = 1e6  # px; OpenCV's integers end beyond
_DIMMING = 0.4  # brightness of the image below maps
_OUTLINE: Colour = (16, 16, 16)
_BACKGROUND: Colour = (32, 32, 32)
_CAPTION: Colour = (240, 240, 240)
_IGNORED: Colour = (230, 30, 30)
_CAPTION_HEIGHT = 20  # px
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


def draw_heatmaps(
    image: np.ndarray, heatmaps: np.ndarray, skeleton: Skeleton, mask: np.ndarray | None = None
) -> np.ndarray:
    """Lay responses over a dark grey copy of an image; in each place the type that responds most gives the colour.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        heatmaps: ``(K, h, w)`` responses, which the whole of the image is covered by; 0 shows nothing, 1 the full
            colour.
        skeleton: What the keypoints are.
        mask: ``(h, w)``, 0 = ignored: there the image is bright. None = nothing is.

    Returns:
        ``(H, W, 3)`` uint8 RGB.
    """
    height, width = image.shape[:2]
    best = heatmaps.argmax(axis=0)
    response = np.take_along_axis(heatmaps, best[None], axis=0)[0].clip(0, 1)
    colours = np.array(keypoint_colours(skeleton), dtype=np.float32)
    layer = np.dstack([colours[best] * response[..., None], response]).astype(np.float32)  # premultiplied, for resizing
    layer = cv2.resize(layer, (width, height), interpolation=cv2.INTER_LINEAR)
    ground = _dimmed(image).astype(np.float32)
    if mask is not None:
        ignored = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_NEAREST) < 0.5
        ground[ignored] /= _DIMMING
    return np.asarray((ground * (1 - layer[..., 3:]) + layer[..., :3]).round().clip(0, 255), dtype=np.uint8)


def draw_offsets(
    image: np.ndarray, offsets: np.ndarray, keypoints: np.ndarray, skeleton: Skeleton, stride: int
) -> np.ndarray:
    """Draw where the guiding offsets lead that stand at annotated keypoints, on a dark grey copy of an image.

    A limb is a line in the colour of the keypoint that it should lead to, with a dot where it leads; a white line goes
    on from there to the keypoint itself.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        offsets: ``(2L, h, w)`` px of that image, as in ``PoseMaps``.
        keypoints: ``(P, K, 3)`` x, y (px of that image) and COCO visibility; limbs with two labelled ends are drawn.
        skeleton: What keypoints and limbs are.
        stride: px a cell of the offsets.

    Returns:
        ``(H, W, 3)`` uint8 RGB.
    """
    canvas = _dimmed(image)
    colours = keypoint_colours(skeleton)
    thickness = max(1, round(max(image.shape[:2]) / 320))
    last = np.array(offsets.shape[:0:-1]) - 1
    for person in keypoints:
        cells = nearest_cells(person[:, :2], stride).clip(0, last).astype(int)
        starts = cells_to_image(cells.astype(np.float64), stride)
        for limb, (start, end) in enumerate(skeleton.limbs):
            if person[start, 2] <= 0 or person[end, 2] <= 0:
                continue
            column, row = cells[start]
            tip = starts[start] + offsets[2 * limb : 2 * limb + 2, row, column]
            points = _fixed(np.stack([starts[start], tip, person[end, :2]]))
            _line(canvas, points[1], points[2], _CAPTION, thickness)
            _line(canvas, points[0], points[1], colours[end], thickness)
            _dot(canvas, points[1], 1.5 * thickness, colours[end])
    return canvas


def draw_taught_offsets(
    image: np.ndarray, offsets: np.ndarray, weights: np.ndarray, skeleton: Skeleton, stride: int
) -> np.ndarray:
    """Draw the guiding offsets of targets on a dark grey copy of an image, from the cells that carry them.

    Every second cell of every second row has a fine line to where its offset leads, in the colour of the keypoint that
    should be there, with a dot at that end: the lines of a limb's support are a fan that closes in one dot.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        offsets: ``(2L, h, w)`` px of that image, as in ``PoseTargets``.
        weights: ``(L, h, w)``, above 0 where there is an offset.
        skeleton: What keypoints and limbs are.
        stride: px a cell of the offsets.

    Returns:
        ``(H, W, 3)`` uint8 RGB.
    """
    canvas = _dimmed(image)
    lines = canvas.copy()
    colours = keypoint_colours(skeleton)
    size = max(image.shape[:2]) / 320
    for limb, (_, end) in enumerate(skeleton.limbs):
        rows, columns = (2 * index for index in np.nonzero(weights[limb, ::2, ::2] > 0))
        starts = cells_to_image(np.stack([columns, rows], axis=1).astype(np.float64), stride)
        tips = starts + offsets[2 * limb : 2 * limb + 2, rows, columns].T
        for start, tip in zip(_fixed(starts), _fixed(tips), strict=True):
            _line(lines, start, tip, colours[end], 1)
        for tip in np.unique(_fixed(tips), axis=0):
            _dot(lines, tip, 1.5 * size, colours[end])
    return np.asarray(cv2.addWeighted(lines, 0.7, canvas, 0.3, 0))


def draw_ignored(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Stripe what is not supervised on a copy of an image, in red.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        mask: ``(h, w)`` over the whole of the image, 0 = ignored.

    Returns:
        ``(H, W, 3)`` uint8 RGB.
    """
    canvas = np.array(image)
    height, width = canvas.shape[:2]
    ignored = cv2.resize((mask == 0).astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    pitch = max(6, round(max(height, width) / 48))
    rows, columns = np.ogrid[:height, :width]
    striped = ignored.astype(bool) & ((rows + columns) % pitch < pitch / 3)
    canvas[striped] = (0.5 * canvas[striped] + 0.5 * np.array(_IGNORED)).astype(np.uint8)
    edges, _ = cv2.findContours(ignored, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(canvas, edges, -1, _IGNORED, max(1, round(max(height, width) / 320)))
    return canvas


def contact_sheet(
    images: Sequence[np.ndarray],
    columns: int = 4,
    cell_hw: tuple[int, int] = (360, 480),
    captions: Sequence[str] | None = None,
) -> np.ndarray:
    """Lay images out in rows, each fitted into a cell of its own.

    Args:
        images: At least one ``(H, W, 3)`` uint8 RGB image; sizes may differ.
        columns: Cells in a row; fewer if there are fewer images.
        cell_hw: Size of a cell, px.
        captions: What to write into the upper left corner of each image.

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
        if captions is not None:
            _write(fitted, captions[index])
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
    return _rgb(hue, (0.8, 0.55)[index // 5 % 2])


def keypoint_colours(skeleton: Skeleton) -> tuple[Colour, ...]:
    """Return an RGB colour for each type: red to yellow on the left, cyan to violet on the right, green between."""
    hues = [0.36] * skeleton.num_keypoints
    for rank, (left, right) in enumerate(skeleton.flip_pairs):
        part = rank / max(1, len(skeleton.flip_pairs) - 1)
        hues[left], hues[right] = 0.17 * part, 0.5 + 0.28 * part
    return tuple(_rgb(hue, 0.75) for hue in hues)


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

    fixed = _fixed(points)
    lines = [
        (fixed[start], fixed[end], dark if {start, end} & right else colour)
        for start, end in limbs
        if shown[start] and shown[end]
    ]
    for start, end, _ in lines:
        _line(canvas, start, end, _OUTLINE, outline)
    for start, end, shade in lines:
        _line(canvas, start, end, shade, thickness)

    radius = 0.5 * thickness + 1
    for index in np.flatnonzero(shown):
        _dot(canvas, fixed[index], radius + 1, _OUTLINE)
        _dot(canvas, fixed[index], radius, dark if index in right else colour)


def _rgb(hue: float, saturation: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, 1.0)
    return (round(255 * red), round(255 * green), round(255 * blue))


def _dimmed(image: np.ndarray) -> np.ndarray:
    """Return a dark grey copy, on which colours stand out."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) * _DIMMING
    return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)


def _fixed(points: np.ndarray) -> np.ndarray:
    """Return px in OpenCV's units; what lies too far away for them comes nearer."""
    return np.asarray(np.round(np.nan_to_num(points).clip(-_FARTHEST, _FARTHEST) * 2**_SUBPIXEL_BITS), dtype=np.int64)


def _line(canvas: np.ndarray, start: np.ndarray, end: np.ndarray, colour: Colour, thickness: int) -> None:
    cv2.line(canvas, start.tolist(), end.tolist(), colour, thickness, cv2.LINE_AA, _SUBPIXEL_BITS)


def _dot(canvas: np.ndarray, centre: np.ndarray, radius: float, colour: Colour) -> None:
    fixed = round(radius * 2**_SUBPIXEL_BITS)
    cv2.circle(canvas, centre.tolist(), fixed, colour, cv2.FILLED, cv2.LINE_AA, _SUBPIXEL_BITS)


def _write(canvas: np.ndarray, text: str) -> None:
    """Write a line of text into the upper left corner, on a dark ground."""
    font = cv2.FONT_HERSHEY_SIMPLEX, 0.45
    width = cv2.getTextSize(text, *font, 1)[0][0]
    canvas[:_CAPTION_HEIGHT, : width + 8] = _BACKGROUND
    cv2.putText(canvas, text, (4, _CAPTION_HEIGHT - 6), *font, _CAPTION, 1, cv2.LINE_AA)
