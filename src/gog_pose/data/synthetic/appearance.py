"""What people look like: skin, hair and clothes."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

_SKIN = np.array(
    [[246, 214, 190], [232, 190, 160], [214, 164, 128], [184, 130, 94], [142, 94, 64], [98, 64, 46]], dtype=np.float32
)
_HAIR = np.array(
    [[28, 24, 24], [62, 42, 30], [104, 70, 42], [196, 156, 96], [150, 72, 36], [150, 148, 146]], dtype=np.float32
)


@dataclass(frozen=True)
class Cloth:
    """A fabric.

    Attributes:
        colour: ``(3,)`` float32 RGB, 0..255.
        second: Colour of the pattern.
        pattern: ``plain``, ``rings`` (around the body), ``stripes`` (along it) or ``checks``.
        period: Length of one repeat, shares of the standing height.
    """

    colour: np.ndarray
    second: np.ndarray
    pattern: str
    period: float

    def paint(self, u: np.ndarray, across: np.ndarray, height: float) -> np.ndarray:
        """Return the colours ``(n, 3)`` or ``(3,)``.

        Args:
            u: ``(n,)`` px along the body part.
            across: ``(n,)`` px around it.
            height: Standing height, px.
        """
        period = self.period * height
        if self.pattern == "plain":
            return self.colour
        if period < 3:  # finer than the pixels can show
            return 0.5 * (self.colour + self.second)
        weight = np.zeros_like(u)
        if self.pattern in ("rings", "checks"):
            weight = weight + _wave(u, period)
        if self.pattern in ("stripes", "checks"):
            weight = weight + _wave(across, period)
        weight *= 0.5 if self.pattern == "checks" else 1.0
        return np.asarray(self.colour + weight[..., None] * (self.second - self.colour))


def _wave(x: np.ndarray, period: float) -> np.ndarray:
    """Return a square wave 0..1 with flanks of about a pixel."""
    wave = np.sin(x * np.float32(2 * np.pi / period)) * np.float32(period / 4) + np.float32(0.5)
    return np.minimum(np.maximum(wave, 0), 1)


@dataclass(frozen=True)
class Appearance:
    """How one person looks.

    Attributes:
        skin: Colour.
        hair: Colour.
        hairstyle: ``short``, ``long``, ``bald`` or ``cap``.
        top: Fabric of the shirt.
        sleeve: Share of the arm that sleeves cover: 0 = none, 1 = to the wrist.
        front: What the shirt shows in front: ``buttons``, ``zip``, ``tie`` or ``logo``.
        collar: Colour of the collar and of what is in front.
        bottom: Fabric below the belt.
        garment: ``trousers``, ``shorts`` or ``skirt``.
        leg: Share of the leg that trousers, shorts or skirt cover.
        shoe: Colour.
        sock: Colour.
        accessory: Colour of belt, cap and watch.
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

    @staticmethod
    def sample(rng: np.random.Generator, *, seated: bool) -> Appearance:
        """Draw a person's looks; who sits wears no skirt."""
        garments, shares = (["trousers", "shorts", "skirt"], [0.62, 0.22, 0.16])
        garment = "trousers" if seated and rng.random() < 0.7 else str(rng.choice(garments, p=shares))
        if seated and garment == "skirt":
            garment = "shorts"
        leg = {"trousers": 0.97, "shorts": rng.uniform(0.25, 0.5), "skirt": rng.uniform(0.35, 0.62)}[garment]
        sleeve = rng.choice([0.0, rng.uniform(0.18, 0.4), 1.0], p=[0.12, 0.43, 0.45])
        top = _cloth(rng, plain=0.5)
        contrast = 240.0 if top.colour.mean() < 130 else 35.0
        return Appearance(
            skin=_pick(rng, _SKIN, 10),
            hair=_pick(rng, _HAIR, 10),
            hairstyle=str(rng.choice(["short", "long", "bald", "cap"], p=[0.55, 0.28, 0.05, 0.12])),
            top=top,
            sleeve=float(sleeve),
            front=str(rng.choice(["buttons", "zip", "tie", "logo"], p=[0.35, 0.2, 0.2, 0.25])),
            collar=np.clip(contrast + rng.uniform(-25, 25, 3), 0, 255).astype(np.float32),
            bottom=_cloth(rng, plain=0.8),
            garment=garment,
            leg=float(leg),
            shoe=_colour(rng),
            sock=_colour(rng),
            accessory=_colour(rng),
        )


def _pick(rng: np.random.Generator, palette: np.ndarray, jitter: float) -> np.ndarray:
    chosen = palette[rng.integers(len(palette))]
    return np.clip(chosen * rng.uniform(0.9, 1.08) + rng.uniform(-jitter, jitter, 3), 8, 255).astype(np.float32)


def _colour(rng: np.random.Generator) -> np.ndarray:
    """Draw a colour: greys, muted and vivid ones."""
    saturation = rng.choice([0.08, 0.4, 0.8]) * rng.uniform(0.6, 1.2)
    rgb = colorsys.hsv_to_rgb(rng.random(), min(1.0, saturation), rng.uniform(0.16, 0.97))
    return np.array(rgb, dtype=np.float32) * np.float32(255)


def _cloth(rng: np.random.Generator, plain: float) -> Cloth:
    pattern = "plain" if rng.random() < plain else str(rng.choice(["rings", "stripes", "checks"]))
    return Cloth(_colour(rng), _colour(rng), pattern, float(rng.uniform(0.02, 0.05)))
