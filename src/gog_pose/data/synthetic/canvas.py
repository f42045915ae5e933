"""Drawing of shaded, anti-aliased solids on an image with a buffer of the part at each pixel."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

Color = np.ndarray
"""``(3,)`` float32 RGB, 0..255, or ``(n, 3)`` for one color per pixel."""

Texture = Callable[[np.ndarray, np.ndarray], Color]
"""Colors at ``u`` (px along the axis from its start) and ``v`` (-1..1 across the axis), both ``(n,)``."""


class Canvas:
    """An image to draw on.

    Attributes:
        pixels: ``(H, W, 3)`` float32 RGB, 0..255.
        ids: ``(H, W)`` uint16 id of the part drawn last at each pixel; 0 = backdrop.
        light: ``(2,)`` direction of the light source, image axes, length <= 1.
    """

    def __init__(self, pixels: np.ndarray, light: np.ndarray) -> None:
        self.pixels = np.ascontiguousarray(pixels, dtype=np.float32)
        self.ids: np.ndarray = np.zeros(pixels.shape[:2], dtype=np.uint16)
        self.light = light

    def solid(
        self,
        start: np.ndarray,
        end: np.ndarray,
        profile: np.ndarray,
        texture: Color | Texture,
        part: int,
        *,
        creases: Sequence[tuple[float, float, float]] = (),
        relief: float = 1.0,
    ) -> None:
        """Draw a solid of revolution from the side: a limb, a torso, a pole.

        Args:
            start: ``(2,)`` px, start of the axis.
            end: ``(2,)`` px, a point in the direction of the axis.
            profile: ``(S, 2)`` px, ascending stations along the axis (0 = start) and the radius at each.
            texture: One color, or a function that returns colors of points on the solid.
            part: Id of the pixels in ``ids``.
            creases: Folds ``(station px, width px, strength)`` that darken a ring around the axis.
            relief: Strength of the shading, 0 = flat.
        """
        start_x, start_y = float(start[0]), float(start[1])
        axis_x, axis_y = float(end[0]) - start_x, float(end[1]) - start_y
        length = math.hypot(axis_x, axis_y)
        tx, ty = (axis_x / length, axis_y / length) if length > 1e-6 else (0.0, 1.0)
        first, last, widest = float(profile[0, 0]), float(profile[-1, 0]), float(profile[:, 1].max())
        middle = 0.5 * (first + last)
        reach_x = 0.5 * (last - first) * abs(tx) + widest * abs(ty)
        reach_y = 0.5 * (last - first) * abs(ty) + widest * abs(tx)
        window = self._window(start_x + middle * tx, start_y + middle * ty, reach_x, reach_y)
        if window is None:
            return
        rows, columns, y, x = window
        x, y = x - np.float32(start_x), y - np.float32(start_y)
        u = x * np.float32(tx) + y * np.float32(ty)
        v = x * np.float32(ty) - y * np.float32(tx)

        # Radius, slope and folds depend only on u: look them up in tables with two entries per pixel.
        entries = max(8, int(2 * (last - first)) + 2)
        step = (last - first) / (entries - 1)
        stations = first + step * np.arange(entries)
        radii = np.interp(stations, profile[:, 0], profile[:, 1]).astype(np.float32)
        slope = (radii[1:] - radii[:-1]) * np.float32(1 / step)
        steepness = 1 / np.sqrt(1 + slope * slope)
        place = ((u - np.float32(first)) * np.float32(1 / step) + np.float32(0.5)).astype(np.int32)
        place = np.minimum(np.maximum(place, 0), entries - 2)

        depth = (radii.take(place) - np.abs(v)) * steepness.take(place)
        ends = np.minimum(u - np.float32(first), np.float32(last) - u)
        coverage = np.minimum(np.minimum(depth, ends) + np.float32(0.5), 1)
        inside = coverage > 0
        chosen = np.flatnonzero(inside)
        coverage, depth, u, v, place = (a.take(chosen) for a in (coverage, depth, u, v, place))
        v = np.minimum(np.maximum(v / np.maximum(radii.take(place), np.float32(0.5)), -1), 1)
        color = texture(u, v) if callable(texture) else texture
        sideways = float(self.light[0] * ty - self.light[1] * tx)
        shade = 1 + np.float32(relief) * (np.float32(0.2 * sideways) - np.float32(0.3) * v) * v
        for center, width, strength in creases:
            folds = 1 - strength * np.exp(-(((stations - center) / width) ** 2))
            shade *= folds.astype(np.float32).take(place)
        # A dark rim separates an arm from a shirt of the same color.
        shade *= 1 - np.float32(0.25 * relief) * np.minimum(np.maximum(np.float32(1.5) - depth, 0), 1)
        self._blend(rows, columns, inside, coverage, color * shade[:, None], part)

    def ellipse(
        self, center: np.ndarray, axes: np.ndarray, color: Color, part: int | None = None, opacity: float = 1.0
    ) -> None:
        """Draw a flat ellipse.

        Args:
            center: ``(2,)`` px.
            axes: ``(2, 2)`` px, the two conjugate half axes as rows.
            color: One color.
            part: Id of the pixels in ``ids``; None = keep their ids.
            opacity: 0..1.
        """
        (ax, ay), (bx, by) = axes.tolist()
        determinant = ax * by - ay * bx
        if abs(determinant) < 1e-3:
            return
        window = self._window(float(center[0]), float(center[1]), math.hypot(ax, bx), math.hypot(ay, by))
        if window is None:
            return
        rows, columns, y, x = window
        x, y = x - np.float32(center[0]), y - np.float32(center[1])
        a = x * np.float32(by / determinant) - y * np.float32(bx / determinant)
        b = y * np.float32(ax / determinant) - x * np.float32(ay / determinant)
        thickness = np.float32(abs(determinant) / max(math.hypot(ax, ay), math.hypot(bx, by)))
        coverage = np.minimum((1 - np.sqrt(a * a + b * b)) * thickness + np.float32(0.5), 1)
        inside = coverage > 0
        self._blend(rows, columns, inside, coverage[inside] * np.float32(opacity), color, part)

    def ellipsoid(
        self,
        center: np.ndarray,
        frame: np.ndarray,
        half_axes: np.ndarray,
        texture: Callable[[np.ndarray], Color],
        part: int,
    ) -> None:
        """Draw an ellipsoid: a head.

        Args:
            center: ``(2,)`` px.
            frame: ``(3, 3)`` rotation from the ellipsoid's axes to the camera's (x right, y down, z to the viewer).
            half_axes: ``(3,)`` px.
            texture: Function that returns colors of points ``(3, n)`` of the unit sphere, in the ellipsoid's axes.
            part: Id of the pixels in ``ids``.
        """
        quadric: np.ndarray = (frame / half_axes**2) @ frame.T
        outline = quadric[:2, :2] - np.outer(quadric[:2, 2], quadric[:2, 2]) / quadric[2, 2]
        reach_x, reach_y = np.sqrt(np.diag(np.linalg.inv(outline))).tolist()
        window = self._window(float(center[0]), float(center[1]), reach_x, reach_y)
        if window is None:
            return
        rows, columns, y, x = window
        x, y = np.broadcast_arrays(x - np.float32(center[0]), y - np.float32(center[1]))
        sxx, sxy, syy = (np.float32(outline[entry]) for entry in ((0, 0), (0, 1), (1, 1)))
        gx, gy = sxx * x + sxy * y, sxy * x + syy * y
        height = 1 - (x * gx + y * gy)  # 1 in the middle, 0 on the outline
        coverage = np.minimum(height / (2 * np.sqrt(gx * gx + gy * gy) + np.float32(1e-6)) + np.float32(0.5), 1)
        inside = coverage > 0
        coverage, height, x, y = coverage[inside], np.maximum(height[inside], 0), x[inside], y[inside]
        tilt_x, tilt_y = (np.float32(quadric[axis, 2] / quadric[2, 2]) for axis in (0, 1))
        z = np.sqrt(height / np.float32(quadric[2, 2])) - tilt_x * x - tilt_y * y
        # From the camera's axes to the ellipsoid's, scaled to the unit sphere.
        sphere = (frame / half_axes).T.astype(np.float32) @ np.stack([x, y, z])
        sideways = (x * np.float32(self.light[0]) + y * np.float32(self.light[1])) / np.float32(max(reach_x, reach_y))
        shade = np.float32(0.72) + np.float32(0.28) * np.sqrt(height) + np.float32(0.15) * sideways
        self._blend(rows, columns, inside, coverage, texture(sphere) * shade[:, None], part)

    def _window(
        self, x: float, y: float, reach_x: float, reach_y: float
    ) -> tuple[slice, slice, np.ndarray, np.ndarray] | None:
        """Return slices of the pixels around a point, and their coordinates; None if all are outside the image."""
        height, width = self.ids.shape
        left, right = max(0, math.floor(x - reach_x) - 1), min(width, math.ceil(x + reach_x) + 2)
        top, bottom = max(0, math.floor(y - reach_y) - 1), min(height, math.ceil(y + reach_y) + 2)
        if left >= right or top >= bottom:
            return None
        ys = np.arange(top, bottom, dtype=np.float32)[:, None]
        xs = np.arange(left, right, dtype=np.float32)[None, :]
        return slice(top, bottom), slice(left, right), ys, xs

    def _blend(
        self, rows: slice, columns: slice, inside: np.ndarray, coverage: np.ndarray, color: Color, part: int | None
    ) -> None:
        """Blend colors into the pixels of a window that are ``inside``, by their coverage ``(n,)`` in 0..1."""
        window = self.pixels[rows, columns]
        target = window[inside]
        window[inside] = target + (color - target) * coverage[:, None]
        if part is not None:
            inside[inside] = coverage >= 0.5
            self.ids[rows, columns][inside] = part


# Outline of a limb: a quarter of a circle, the straight part, a quarter of a circle. Rows: coefficients of each length.
_ARC, _ALONG = np.linspace(0, np.pi / 2, 6), np.linspace(0, 1, 9)[1:-1]
_CAPSULE_STATIONS = np.zeros((3, 19))
_CAPSULE_STATIONS[0, :6] = -np.cos(_ARC)
_CAPSULE_STATIONS[1, 6:] = [*_ALONG, 1, 1, 1, 1, 1, 1]
_CAPSULE_STATIONS[2, 13:] = np.sin(_ARC)
_CAPSULE_RADII = np.zeros((2, 19))
_CAPSULE_RADII[0, :13] = [*np.sin(_ARC), *(1 - _ALONG)]
_CAPSULE_RADII[1, 6:] = [*_ALONG, *np.cos(_ARC)]
_CAPSULE_BULGE = np.zeros(19)
_CAPSULE_BULGE[6:13] = np.sin(np.pi * np.sqrt(_ALONG))


def capsule(length: float, start_radius: float, end_radius: float, bulge: float = 0.0) -> np.ndarray:
    """Return the profile of a tapered limb with round ends.

    Args:
        length: Distance of the joints, px.
        start_radius: px.
        end_radius: px.
        bulge: Additional thickness of the muscle in the first half, as share of the radius.
    """
    stations = np.array([start_radius, length, end_radius]) @ _CAPSULE_STATIONS
    radii = np.array([start_radius, end_radius]) @ _CAPSULE_RADII * (1 + bulge * _CAPSULE_BULGE)
    return np.stack([stations, radii], axis=1)
