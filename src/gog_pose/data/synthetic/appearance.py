"""Appearance of people: skin, hair and clothes.

Clothes follow rules with which a small network learns in minutes what takes days on photographs. Shirts are lighter
than trousers. Clothes are darker on the right of the body (``shade``), so that a sleeve or a shoe shows the side as
well as the face does. By default people wear a skater's gear: protectors on their joints, goggles, ear pads and sun
cream on the nose.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

from gog_pose.data.synthetic.chance import pick

_SKIN = np.array(
    [[246, 214, 190], [232, 190, 160], [214, 164, 128], [184, 130, 94], [142, 94, 64], [98, 64, 46]], dtype=np.float32
)
_HAIR = np.array(
    [[28, 24, 24], [62, 42, 30], [104, 70, 42], [196, 156, 96], [150, 72, 36], [150, 148, 146]], dtype=np.float32
)


_RIGHT_SHADE = 0.45
# Colors of the gear on each keypoint, left and right. The two sides of a joint have different hues, because the
# position does not show the side. Different joints may have similar hues, because positions distinguish them.
_GEAR = {
    "nose": ((255, 255, 255),) * 2,
    "eye": ((255, 140, 0), (0, 140, 255)),
    "ear": ((255, 225, 0), (0, 200, 170)),
    "shoulder": ((70, 215, 90), (235, 90, 40)),
    "elbow": ((255, 225, 40), (125, 30, 195)),
    "wrist": ((60, 90, 255), (250, 110, 150)),
    "hip": ((170, 70, 235), (190, 190, 20)),
    "knee": ((40, 215, 235), (205, 30, 30)),
    "ankle": ((250, 60, 160), (20, 115, 50)),
}


def gear(part: str, side: str = "left") -> np.ndarray:
    """Return the color ``(3,)`` of the gear on a keypoint."""
    return np.array(_GEAR[part][side == "right"], np.float32)


def shade(side: str) -> float:
    """Return the factor on the colors of clothes on one side of the body."""
    return _RIGHT_SHADE if side == "right" else 1.0


@dataclass(frozen=True)
class Cloth:
    """A fabric.

    Attributes:
        color: ``(3,)`` float32 RGB, 0..255.
        second: Color of the pattern.
        pattern: ``plain``, ``rings`` (around the body), ``stripes`` (along it) or ``checks``.
        period: Period of the pattern, as share of the standing height.
    """

    color: np.ndarray
    second: np.ndarray
    pattern: str
    period: float

    def paint(self, u: np.ndarray, across: np.ndarray, height: float) -> np.ndarray:
        """Return the colors of points on a body part, ``(n, 3)`` or ``(3,)``.

        Args:
            u: ``(n,)`` px along the part.
            across: ``(n,)`` px around the part.
            height: Standing height, px.
        """
        period = self.period * height
        if self.pattern == "plain":
            return self.color
        if period < 3:  # too fine for the pixels
            return np.asarray(0.5 * (self.color + self.second))
        weight = np.zeros_like(u)
        if self.pattern in ("rings", "checks"):
            weight = weight + _wave(u, period)
        if self.pattern in ("stripes", "checks"):
            weight = weight + _wave(across, period)
        weight *= 0.5 if self.pattern == "checks" else 1.0
        return np.asarray(self.color + weight[..., None] * (self.second - self.color))


def _wave(x: np.ndarray, period: float) -> np.ndarray:
    """Return a square wave in 0..1 with edges of about a pixel."""
    wave = np.sin(x * np.float32(2 * np.pi / period)) * np.float32(period / 4) + np.float32(0.5)
    return np.asarray(np.minimum(np.maximum(wave, 0), 1))


@dataclass(frozen=True)
class Appearance:
    """Appearance of one person.

    Attributes:
        skin: Color.
        hair: Color.
        hairstyle: ``short``, ``long``, ``bald`` or ``cap``.
        top: Fabric of the shirt.
        sleeve: Share of the arm that sleeves cover: 0 = none, 1 = to the wrist.
        front: Detail on the front of the shirt: ``buttons``, ``zip``, ``tie`` or ``logo``.
        collar: Color of the collar and of this detail.
        bottom: Fabric below the belt.
        garment: ``trousers``, ``shorts`` or ``skirt``.
        leg: Share of the leg that the garment covers.
        shoe: Color.
        sock: Color.
        accessory: Color of belt, cap and watch.
        protectors: Whether the person wears a skater's gear, with one color per keypoint and side.
    """

    skin: np.ndarray
    hair: np.ndarray
    hairstyle: str
    top: Cloth
    sleeve: float
    front: str
    collar: np.ndarray
    bottom: Cloth
    garment: str
    leg: float
    shoe: np.ndarray
    sock: np.ndarray
    accessory: np.ndarray
    protectors: bool

    @property
    def ears_covered(self) -> bool:
        """True if hair hides the ears; ear pads are worn over the hair."""
        return self.hairstyle == "long" and not self.protectors

    @staticmethod
    def sample(rng: np.random.Generator, *, seated: bool, protectors: bool) -> Appearance:
        """Sample the appearance of a person; seated people wear no skirt."""
        garment = pick(rng, {"trousers": 0.62, "shorts": 0.22, "skirt": 0.0 if seated else 0.16})
        leg = {"trousers": 0.97, "shorts": rng.uniform(0.25, 0.5), "skirt": rng.uniform(0.35, 0.62)}[garment]
        sleeve = pick(rng, {0.0: 0.12, rng.uniform(0.18, 0.4): 0.43, 1.0: 0.45})
        top = _cloth(rng, plain=0.5, value=(0.5, 1.0))
        contrast = 240.0 if top.color.mean() < 130 else 35.0
        return Appearance(
            skin=_pick(rng, _SKIN, 10),
            hair=_pick(rng, _HAIR, 10),
            hairstyle=pick(rng, {"short": 0.55, "long": 0.28, "bald": 0.05, "cap": 0.12}),
            top=top,
            sleeve=sleeve,
            front=pick(rng, {"buttons": 0.35, "zip": 0.2, "tie": 0.2, "logo": 0.25}),
            collar=np.clip(contrast + rng.uniform(-25, 25, 3), 0, 255).astype(np.float32),
            bottom=_cloth(rng, plain=0.8, value=(0.12, 0.42)),
            garment=garment,
            leg=leg,
            shoe=_color(rng, value=(0.7, 1.0)),
            sock=_color(rng, value=(0.7, 1.0)),
            accessory=_color(rng, value=(0.16, 0.97)),
            protectors=protectors,
        )


def _pick(rng: np.random.Generator, palette: np.ndarray, jitter: float) -> np.ndarray:
    chosen = palette[rng.integers(len(palette))]
    tinted = chosen * rng.uniform(0.9, 1.08) + rng.uniform(-jitter, jitter, 3)
    return np.asarray(np.clip(tinted, 8, 255), dtype=np.float32)


def _color(rng: np.random.Generator, value: tuple[float, float]) -> np.ndarray:
    """Sample a gray, muted or vivid color with a brightness in a range."""
    saturation = pick(rng, {0.08: 1, 0.4: 1, 0.8: 1}) * rng.uniform(0.6, 1.2)
    rgb = colorsys.hsv_to_rgb(rng.random(), min(1.0, saturation), rng.uniform(*value))
    return np.asarray(np.array(rgb, dtype=np.float32) * np.float32(255))


def _cloth(rng: np.random.Generator, plain: float, value: tuple[float, float]) -> Cloth:
    rest = (1 - plain) / 3
    pattern = pick(rng, {"plain": plain, "rings": rest, "stripes": rest, "checks": rest})
    return Cloth(_color(rng, value), _color(rng, value), pattern, rng.uniform(0.02, 0.05))
