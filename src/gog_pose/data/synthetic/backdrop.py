"""Textured, cluttered backdrops, and objects in front of people."""

from __future__ import annotations

import cv2
import numpy as np

from gog_pose.data.synthetic.canvas import Canvas, capsule
from gog_pose.data.synthetic.chance import pick

_SHIFT = 4  # fractional bits of OpenCV's coordinates
FOREGROUND = 1  # id of occluders in a canvas


def backdrop(rng: np.random.Generator, image_size: tuple[int, int]) -> np.ndarray:
    """Draw wall and floor, clutter and textures.

    Args:
        rng: Random number generator.
        image_size: ``(height, width)`` px.

    Returns:
        ``(H, W, 3)`` float32 RGB, 0..255.
    """
    height, width = image_size
    image = _gradient(rng, height, width)
    horizon = round(height * rng.uniform(0.3, 0.7))
    if rng.random() < 0.75:
        image[horizon:] = _gradient(rng, height - horizon, width)
    image = cv2.convertScaleAbs(_add_noise(rng, image))
    for _ in range(rng.integers(4, 16)):
        pick(rng, _CLUTTER)(rng, image)
    if rng.random() < 0.4:  # out of focus
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.6, 2.5))
    return _add_noise(rng, image, 0.5)


def distractors(rng: np.random.Generator, canvas: Canvas) -> None:
    """Draw solids that look like limbs but belong to no person, such as bolsters, pipes, branches and lamps."""
    height, width = canvas.ids.shape
    for _ in range(rng.integers(0, 6)):
        length = rng.uniform(0.05, 0.3) * height
        start = rng.uniform(0, [width, height])
        angle = rng.uniform(0, np.pi)
        end = start + length * np.array([np.cos(angle), np.sin(angle)])
        profile = capsule(length, length * rng.uniform(0.05, 0.2), length * rng.uniform(0.05, 0.2))
        canvas.solid(start, end, profile, _paint(rng), 0)


def occluder(rng: np.random.Generator, canvas: Canvas) -> None:
    """Draw a pole, a table, a board or a plant over the current picture."""
    height, width = canvas.ids.shape
    color = _paint(rng)
    kind = pick(rng, {"pole": 1, "table": 1, "board": 1, "plant": 1})
    x, y = rng.uniform(0.05, 0.95) * width, rng.uniform(0.55, 0.9) * height

    def slab(x0: float, y0: float, x1: float, y1: float, relief: float = 0.3) -> None:
        radius = 0.5 * (x1 - x0)
        start = np.array([0.5 * (x0 + x1), y0])
        profile = np.array([[0, radius], [y1 - y0, radius]])
        canvas.solid(start, start + np.array([0.0, 1.0]), profile, color, FOREGROUND, relief=relief)

    if kind == "pole":
        half = rng.uniform(0.006, 0.025) * width
        slab(x - half, -2, x + half, height + 2, relief=1.0)
    elif kind == "table":
        half, thick = rng.uniform(0.1, 0.25) * width, rng.uniform(0.02, 0.05) * height
        slab(x - half, y, x + half, y + thick)
        for leg in (x - 0.9 * half, x + 0.8 * half):
            slab(leg, y + thick, leg + 0.1 * half, height + 2, relief=1.0)
    elif kind == "board":
        half, tall = rng.uniform(0.04, 0.14) * width, rng.uniform(0.08, 0.3) * height
        slab(x - half, y, x + half, y + tall)
    else:
        size = rng.uniform(0.03, 0.08) * height
        for _ in range(14):
            center = np.array([x, y]) + rng.normal(0, size, 2)
            axes = rng.uniform(0.15, 0.5) * size * np.array([[1, 0], [0, 1]]) * rng.uniform(0.5, 2, (2, 1))
            canvas.ellipse(center, axes, color * np.float32(rng.uniform(0.6, 1.2)), FOREGROUND)


def _paint(rng: np.random.Generator) -> np.ndarray:
    return np.array(_color(rng), dtype=np.float32)


def _color(rng: np.random.Generator) -> tuple[float, ...]:
    """Sample a color of objects: gray, green or blue, rarely vivid and never like skin."""
    gray, tint = rng.uniform(20, 235), abs(rng.normal(0, 30))
    share = rng.random()
    color = gray + tint * np.array([-1.0, share, 1 - share])
    return tuple(float(value) for value in np.clip(color, 0, 255))


def _gradient(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    gray = np.array(_color(rng)).clip(45, 210)[None, None]
    corners = np.clip(gray + rng.normal(0, 16, (2, 2, 1)) + rng.normal(0, 6, (2, 2, 3)), 0, 255)
    return np.asarray(cv2.resize(corners.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR))


def _add_noise(rng: np.random.Generator, image: np.ndarray, strength: float = 1.0) -> np.ndarray:
    """Add noise of several scales to an image, partly stretched like wood or cloth; return float32."""
    height, width = image.shape[:2]
    fine = (max(2, height // 3), max(2, width // 3))
    total = np.zeros((*fine, 3), dtype=np.float32)
    for cell in (1, 3, 10, 30):
        stretch = rng.uniform(0.4, 2.5)
        size = (max(2, int(fine[0] / cell * stretch)), max(2, int(fine[1] / cell / stretch)))
        grain = rng.standard_normal(size, dtype=np.float32) * np.float32(strength * rng.uniform(1, 11))
        tint = rng.uniform(0.8, 1.0, 3)
        grain = cv2.resize(grain, fine[::-1], interpolation=cv2.INTER_LINEAR)
        total += cv2.merge([grain * np.float32(share) for share in tint])
    total = cv2.resize(total, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.add(image, total, dtype=cv2.CV_32F))


def _place(rng: np.random.Generator, image: np.ndarray, small: float, large: float) -> tuple[np.ndarray, np.ndarray]:
    """Sample a center and a size (px), both ``(2,)`` as x, y."""
    height, width = image.shape[:2]
    return rng.uniform(0, [width, height]), rng.uniform(small, large, 2) * min(height, width)


def _fill(image: np.ndarray, points: np.ndarray, color: tuple[float, ...]) -> None:
    fixed = np.round(points * (1 << _SHIFT)).astype(np.int32)
    cv2.fillPoly(image, [fixed], color, cv2.LINE_AA, _SHIFT)


def _polygon(rng: np.random.Generator, image: np.ndarray) -> None:
    center, size = _place(rng, image, 0.05, 0.3)
    angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 8)))
    _fill(image, center + size * np.stack([np.cos(angles), np.sin(angles)], axis=1), _color(rng))


def _box(rng: np.random.Generator, image: np.ndarray) -> None:
    """Draw a box with a front, a top and a side."""
    (x, y), (w, h) = _place(rng, image, 0.08, 0.4)
    color = np.array(_color(rng))
    dx, dy = rng.uniform(-0.3, 0.3) * w, rng.uniform(0.05, 0.3) * h
    front = np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]])
    lid = np.array([[x, y], [x + w, y], [x + w + dx, y - dy], [x + dx, y - dy]])
    edge = x + w if dx > 0 else x
    side = np.array([[edge, y], [edge, y + h], [edge + dx, y + h - dy], [edge + dx, y - dy]])
    for points, factor in ((side, 0.65), (lid, 1.15), (front, 0.9)):
        _fill(image, points, tuple(np.clip(color * factor, 0, 255)))


def _pole(rng: np.random.Generator, image: np.ndarray) -> None:
    height, width = image.shape[:2]
    start = rng.uniform(0, [width, height])
    end = start + rng.normal(0, 0.08 * width, 2) + [0, (1 if rng.random() < 0.5 else -1) * rng.uniform(0.2, 1) * height]
    if rng.random() < 0.3:
        end = start + rng.uniform(-0.6, 0.6, 2) * [width, height]
    across = np.array([end[1] - start[1], start[0] - end[0]])
    across = across / (np.hypot(*across) + 1e-6) * rng.uniform(0.003, 0.02) * width
    color = np.array(_color(rng))
    _fill(image, np.stack([start - across, start + across, end + across, end - across]), tuple(color))
    _fill(image, np.stack([start, start + across, end + across, end]), tuple(0.75 * color))


def _foliage(rng: np.random.Generator, image: np.ndarray) -> None:
    center, size = _place(rng, image, 0.05, 0.25)
    base = np.array(_color(rng)) * [0.7, 1.0, 0.6]
    for _ in range(rng.integers(10, 45)):
        place = np.round((center + 0.5 * size * rng.normal(0, 1, 2)) * (1 << _SHIFT)).astype(int)
        axes = np.round(rng.uniform(0.03, 0.16, 2) * size.mean() * (1 << _SHIFT)).astype(int)
        color = tuple(np.clip(base * rng.uniform(0.5, 1.4), 0, 255))
        angle = rng.uniform(0, 180)
        cv2.ellipse(image, place.tolist(), axes.tolist(), angle, 0, 360, color, -1, cv2.LINE_AA, _SHIFT)


def _shelf(rng: np.random.Generator, image: np.ndarray) -> None:
    """Draw boards with upright books or bottles on them."""
    (x, y), (w, h) = _place(rng, image, 0.15, 0.5)
    _fill(image, np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]]), _color(rng))
    boards = rng.integers(2, 5)
    for row in range(boards):
        base = y + h * (row + 1) / boards
        left = x
        while left < x + 0.9 * w:
            thick, tall = rng.uniform(0.03, 0.1) * w, rng.uniform(0.4, 0.85) * h / boards
            corners = [[left, base - tall], [left + thick, base - tall], [left + thick, base], [left, base]]
            _fill(image, np.array(corners), _color(rng))
            left += thick * rng.uniform(1.05, 1.6)


def _window(rng: np.random.Generator, image: np.ndarray) -> None:
    """Draw a framed pane with bars: a window, a picture, a fence."""
    (x, y), (w, h) = _place(rng, image, 0.12, 0.45)
    frame, pane = _color(rng), _color(rng)
    _fill(image, np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]]), frame)
    columns, rows, bar = rng.integers(1, 7), rng.integers(1, 4), 0.04 * min(w, h)
    for i in range(columns):
        for j in range(rows):
            x0, x1 = x + w * i / columns + bar, x + w * (i + 1) / columns - bar
            y0, y1 = y + h * j / rows + bar, y + h * (j + 1) / rows - bar
            _fill(image, np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]), pane)


_CLUTTER = {_polygon: 0.25, _box: 0.2, _pole: 0.2, _foliage: 0.15, _shelf: 0.1, _window: 0.1}
