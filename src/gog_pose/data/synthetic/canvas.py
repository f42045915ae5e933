"""The brush: shaded, anti-aliased solids on an image that remembers which part covers which pixel."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

Colour = np.ndarray
"""``(3,)`` float32 RGB, 0..255, or ``(h, w, 3)`` for one colour a pixel."""

Texture = Callable[[np.ndarray, np.ndarray], Colour]
"""Colours at ``u`` (px along the axis from its start) and ``v`` (-1..1 across it), both ``(h, w)``."""


class Canvas:
    """An image under the brush.

    Attributes:
        pixels: ``(H, W, 3)`` float32 RGB, 0..255.
        ids: ``(H, W)`` uint16, what was painted last at each pixel; 0 = backdrop.
        light: ``(2,)`` direction that the light comes from, image axes, length <= 1.
    """

    def __init__(self, pixels: np.ndarray, light: np.ndarray) -> None:
        self.pixels = np.ascontiguousarray(pixels, dtype=np.float32)
        self.ids = np.zeros(pixels.shape[:2], dtype=np.uint16)
        self.light = light

    def solid(
        self,
        start: np.ndarray,
        end: np.ndarray,
        profile: np.ndarray,
        texture: Colour | Texture,
        part: int,
        *,
        creases: Sequence[tuple[float, float, float]] = (),
        relief: float = 1.0,
    ) -> None:
        """Paint a solid of revolution seen from the side: a limb, a torso, a pole.

        Args:
            start: ``(2,)`` px, where the axis begins.
            end: ``(2,)`` px, where it points to.
            profile: ``(S, 2)`` px, ascending stations along the axis (0 = start) and the radius at each.
            texture: One colour, or colours as a function of the place on the solid.
            part: What the pixels are in ``ids``.
            creases: Folds ``(station px, width px, strength)`` that darken a ring around the axis.
            relief: Strength of the shading, 0 = flat.
        """
        axis = np.asarray(end, dtype=np.float64) - start
        length = float(np.hypot(*axis))
        tx, ty = axis / length if length > 1e-6 else (0.0, 1.0)
        first, last = float(profile[0, 0]), float(profile[-1, 0])
        # The corners of the outline bound the pixels to look at.
        along = np.asarray(start) + profile[:, :1] * np.array([[tx, ty]])
        across = profile[:, 1:] * np.array([[ty, -tx]])
        window = self._window(np.concatenate([along + across, along - across]))
        if window is None:
            return
        rows, columns, y, x = window
        x, y = x - np.float32(start[0]), y - np.float32(start[1])
        u = x * np.float32(tx) + y * np.float32(ty)
        v = x * np.float32(ty) - y * np.float32(tx)

        # Radius, slope and folds depend on u alone: look them up, two entries a pixel.
        stations = np.linspace(first, last, max(8, int(2 * (last - first)) + 2))
        radii = np.interp(stations, profile[:, 0], profile[:, 1])
        slope = np.gradient(radii, stations)
        folds = np.ones_like(stations)
        for centre, width, strength in creases:
            folds *= 1 - strength * np.exp(-(((stations - centre) / width) ** 2))
        table = np.stack([radii, 1 / np.sqrt(1 + slope**2), folds]).astype(np.float32)
        place = ((u - np.float32(first)) * np.float32((len(stations) - 1) / (last - first)) + np.float32(0.5)).astype(
            np.int32
        )
        radius, steepness, fold = table[:, np.clip(place, 0, len(stations) - 1)]

        depth = (radius - np.abs(v)) * steepness
        ends = np.minimum(u - np.float32(first), np.float32(last) - u)
        coverage = np.clip(np.minimum(depth, ends) + np.float32(0.5), 0, 1)
        v = np.clip(v / np.maximum(radius, np.float32(0.5)), -1, 1)
        colour = texture(u, v) if callable(texture) else texture
        sideways = float(self.light[0] * ty - self.light[1] * tx)
        shade = (1 + np.float32(relief) * (np.float32(0.2 * sideways) * v - np.float32(0.3) * v * v)) * fold
        # A dark rim parts an arm from a shirt of the same colour.
        shade *= 1 - np.float32(0.25 * relief) * np.clip(1.5 - depth, 0, 1)
        self._blend(rows, columns, coverage, colour * shade[..., None], part)

    def ellipse(
        self, centre: np.ndarray, axes: np.ndarray, colour: Colour, part: int | None = None, opacity: float = 1.0
    ) -> None:
        """Paint a flat ellipse.

        Args:
            centre: ``(2,)`` px.
            axes: ``(2, 2)`` px, the two conjugate half axes as rows.
            colour: One colour.
            part: What the pixels become in ``ids``; None leaves them.
            opacity: 0..1.
        """
        determinant = float(axes[0, 0] * axes[1, 1] - axes[0, 1] * axes[1, 0])
        reach = np.hypot(axes[0], axes[1])
        if abs(determinant) < 1e-3:
            return
        window = self._window(np.stack([centre - reach, centre + reach]))
        if window is None:
            return
        rows, columns, y, x = window
        x, y = x - np.float32(centre[0]), y - np.float32(centre[1])
        a = (x * np.float32(axes[1, 1]) - y * np.float32(axes[1, 0])) / np.float32(determinant)
        b = (y * np.float32(axes[0, 0]) - x * np.float32(axes[0, 1])) / np.float32(determinant)
        norm = np.sqrt(a * a + b * b)
        thickness = np.float32(abs(determinant) / max(np.hypot(*axes[0]), np.hypot(*axes[1])))
        coverage = np.clip((1 - norm) * thickness + np.float32(0.5), 0, 1) * np.float32(opacity)
        self._blend(rows, columns, coverage, colour, part)

    def ellipsoid(
        self,
        centre: np.ndarray,
        frame: np.ndarray,
        half_axes: np.ndarray,
        texture: Callable[[np.ndarray], Colour],
        part: int,
    ) -> None:
        """Paint an ellipsoid: a head.

        Args:
            centre: ``(2,)`` px.
            frame: ``(3, 3)`` rotation from its own axes to the camera's (x right, y down, z to the viewer).
            half_axes: ``(3,)`` px.
            texture: Colours of points ``(3, h, w)`` of the unit sphere, in the ellipsoid's own axes.
            part: What the pixels are in ``ids``.
        """
        quadric = frame @ np.diag(half_axes**-2.0) @ frame.T
        outline = quadric[:2, :2] - np.outer(quadric[:2, 2], quadric[:2, 2]) / quadric[2, 2]
        reach = np.sqrt(np.diag(np.linalg.inv(outline)))
        window = self._window(np.stack([centre - reach, centre + reach]))
        if window is None:
            return
        rows, columns, y, x = window
        x, y = np.broadcast_arrays(x - np.float32(centre[0]), y - np.float32(centre[1]))
        (sxx, sxy), (_, syy) = outline.astype(np.float32)
        gx, gy = sxx * x + sxy * y, sxy * x + syy * y
        inside = 1 - (x * gx + y * gy)
        coverage = np.clip(inside / (2 * np.sqrt(gx * gx + gy * gy) + np.float32(1e-6)) + np.float32(0.5), 0, 1)
        shift = (quadric[0, 2] * x + quadric[1, 2] * y) / quadric[2, 2]
        z = -shift + np.sqrt(np.maximum(inside, 0) / quadric[2, 2])
        # Camera axes -> own axes, scaled to the unit sphere.
        inverse = (frame / half_axes).T.astype(np.float32)
        sphere = np.tensordot(inverse, np.stack([x, y, z]).astype(np.float32), axes=1)
        facing = np.sqrt(np.clip(inside, 0, 1))
        sideways = (x * np.float32(self.light[0]) + y * np.float32(self.light[1])) / np.float32(reach.max())
        shade = np.float32(0.72) + np.float32(0.28) * facing + np.float32(0.15) * sideways
        self._blend(rows, columns, coverage, texture(sphere) * shade[..., None], part)

    def _window(self, corners: np.ndarray) -> tuple[slice, slice, np.ndarray, np.ndarray] | None:
        """Return slices of the pixels around points ``(N, 2)`` and their coordinates; None if outside."""
        height, width = self.ids.shape
        left, top = np.maximum(np.floor(corners.min(axis=0)).astype(int) - 1, 0)
        right, bottom = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + 2, (width, height))
        if left >= right or top >= bottom:
            return None
        y = np.arange(top, bottom, dtype=np.float32)[:, None]
        x = np.arange(left, right, dtype=np.float32)[None, :]
        return slice(top, bottom), slice(left, right), y, x

    def _blend(self, rows: slice, columns: slice, coverage: np.ndarray, colour: Colour, part: int | None) -> None:
        target = self.pixels[rows, columns]
        target += (colour - target) * coverage[..., None]
        if part is not None:
            self.ids[rows, columns][coverage >= 0.5] = part


def capsule(length: float, start_radius: float, end_radius: float, bulge: float = 0.0) -> np.ndarray:
    """Return the profile of a tapered limb with round ends.

    Args:
        length: px, from joint to joint.
        start_radius: px.
        end_radius: px.
        bulge: How much thicker the muscle makes the first half, as a share of the radius.
    """
    angles = np.linspace(0, np.pi / 2, 6)
    t = np.linspace(0, 1, 9)[1:-1]
    middle = start_radius + (end_radius - start_radius) * t
    middle *= 1 + bulge * np.sin(np.pi * np.sqrt(t))
    stations = np.concatenate([-start_radius * np.cos(angles), t * length, length + end_radius * np.sin(angles)])
    radii = np.concatenate([start_radius * np.sin(angles), middle, end_radius * np.cos(angles)])
    return np.stack([stations, radii], axis=1)
