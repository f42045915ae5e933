"""Drawing of heads: skull, hair and face, and the positions of their features."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from gog_pose.data.synthetic.appearance import gear
from gog_pose.data.synthetic.body import SIDES
from gog_pose.data.synthetic.canvas import Canvas
from gog_pose.data.synthetic.figure import Figure

_HEAD_HALF_AXES = np.array([0.37, 0.5, 0.43])  # shares of the head's length: x, y, z
_FACELESS = 6.0  # px; shorter heads are drawn without features
# Positions of the features on the head, in its axes, as shares of the half axes.
FACE = {"nose": (0.0, 0.12, 1.06), "left_eye": (0.4, -0.08, 0.9), "left_ear": (1.0, 0.02, -0.08)}


def on_head(person: Figure, place: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the position of a point of the head, ``(2,)`` px, and how far it faces the viewer, about -1..1."""
    half_axes = _HEAD_HALF_AXES * person.body.proportions.head
    point = person.body.head @ (place * half_axes)
    xy = person.origin + person.height * (person.body.points["skull"] + point)[:2]
    return xy, float(point[2] / half_axes[2])


def paint_long_hair(person: Figure, canvas: Canvas, part: int) -> None:
    """Draw the hair that hangs behind the neck."""
    skull, neck = person.at("skull"), person.at("neck")
    length = float(np.hypot(*(neck - skull)))
    size = 0.42 * person.body.proportions.head * person.height
    profile = np.array([[-0.8 * size, 0.4 * size], [0, 1.05 * size], [length, 1.0 * size], [1.5 * length, 0.75 * size]])
    canvas.solid(skull, neck, profile, partial(_strands, person), part)


def _strands(person: Figure, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.asarray(person.looks.hair * (1 + np.float32(0.12) * np.sin(np.float32(14) * v))[..., None])


def paint_head(person: Figure, canvas: Canvas, part: int) -> None:
    """Draw skull, hair and, if the head is large enough, the visible features of the face."""
    looks, length = person.looks, person.body.proportions.head * person.height
    center, half_axes = person.at("skull"), _HEAD_HALF_AXES * length
    if looks.hairstyle in ("short", "long"):
        shift = person.body.head @ np.array([0, -0.045, -0.05]) * length
        canvas.ellipsoid(center + shift[:2], person.body.head, half_axes * 1.07, lambda p: np.asarray(looks.hair), part)
    canvas.ellipsoid(center, person.body.head, half_axes, partial(_scalp, person), part)
    if length > _FACELESS:
        _features(person, canvas, length, part)


def _scalp(person: Figure, sphere: np.ndarray) -> np.ndarray:
    """Return skin or hair at points ``(3, n)`` of the unit sphere in the head's axes."""
    _, y, z = sphere
    if person.looks.hairstyle == "bald":
        covered = np.zeros_like(z, dtype=bool)
    elif person.looks.hairstyle == "cap":
        covered = y < -0.28 - 0.1 * z
    else:
        # The hairline runs over the forehead, in front of the ears and down to the neck.
        covered = (y < -0.58) | ((z < 0.12) & (y < 0.1)) | ((z < -0.2) & (y < 0.75))
    crown = person.looks.accessory if person.looks.hairstyle == "cap" else person.looks.hair
    skin = np.where((covered)[..., None], crown, person.looks.skin)
    if person.looks.hairstyle == "cap":
        nape = (z < -0.1) & (y < 0.5) & ~covered
        skin = np.where(nape[..., None], person.looks.hair, skin)
    return skin


def _features(person: Figure, canvas: Canvas, length: float, part: int) -> None:
    """Draw those of ears, eyes, brows, nose and mouth that face the viewer."""
    looks, head = person.looks, person.body.head
    half_axes = _HEAD_HALF_AXES * person.body.proportions.head

    def patch(place: tuple[float, float, float], size: tuple[float, float], color: np.ndarray) -> None:
        """Draw an ellipse on the surface of the head; sizes are shares of the head's length."""
        nx, ny, nz = np.array(place) / half_axes
        across = math.hypot(nx, nz)
        right = np.array([nz, 0, -nx]) / across
        down = np.array([-nx * ny, across**2, -ny * nz]) / (across * math.hypot(across, ny))
        axes = np.stack([(head @ right)[:2] * size[0], (head @ down)[:2] * size[1]]) * length
        canvas.ellipse(on_head(person, np.array(place))[0], axes, color, part)

    white, dark = np.full(3, 245, np.float32), np.full(3, 25, np.float32)
    shadow, lips = looks.skin * np.float32(0.75), looks.skin * np.array([0.85, 0.5, 0.5], np.float32)
    for sign, side in SIDES:
        ear = (sign * FACE["left_ear"][0], *FACE["left_ear"][1:])
        if not looks.ears_covered and on_head(person, np.array(ear))[1] > -0.42:
            xy = on_head(person, np.array(ear))[0]
            flat = 0.045 + 0.05 * abs(head[2, 0])
            axes = np.stack([head[:2, 1] * 0.12, np.array([-head[1, 1], head[0, 1]]) * flat]) * length
            if looks.protectors:
                canvas.ellipse(xy, 1.3 * axes, gear("ear", side), part)
            else:
                canvas.ellipse(xy, axes, shadow, part)
                canvas.ellipse(xy, 0.7 * axes, looks.skin, part)
        eye = (sign * FACE["left_eye"][0], *FACE["left_eye"][1:])
        if on_head(person, np.array(eye))[1] > 0.12:
            if looks.protectors:
                patch(eye, (0.13, 0.11), gear("eye", side))
                patch(eye, (0.04, 0.04), dark)
            else:
                patch(eye, (0.085, 0.055), white)
                patch(eye, (0.045, 0.05), dark)
            patch((eye[0], eye[1] - 0.2, eye[2]), (0.1, 0.02), looks.hair * np.float32(0.8))
    if on_head(person, np.array(FACE["nose"]))[1] > -0.12:
        xy = on_head(person, np.array([0, 0.06, 1.03]))[0]
        axes = np.stack([head[:2, 1] * 0.1, np.array([-head[1, 1], head[0, 1]]) * 0.055]) * length
        canvas.ellipse(xy, axes, shadow, part)
        xy = on_head(person, np.array(FACE["nose"]))[0]
        if looks.protectors:
            canvas.ellipse(xy, np.eye(2) * 0.085 * length, gear("nose"), part)
        else:
            canvas.ellipse(xy, np.eye(2) * 0.05 * length, looks.skin * np.float32(0.88), part)
    if on_head(person, np.array([0, 0.5, 0.85]))[1] > 0.1:
        patch((0.0, 0.5, 0.85), (0.13, 0.035), lips)
    if looks.hairstyle == "cap" and on_head(person, np.array([0, -0.4, 1.0]))[1] > -0.3:
        patch((0.0, -0.36, 0.98), (0.34, 0.07), looks.accessory * np.float32(0.7))
