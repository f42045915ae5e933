"""Bodies: proportions, poses within the range of human joints, and their projection.

Axes of a body: x to the person's left, y down, z to the front, origin between the hips, lengths as shares of the
standing height. Axes of the camera: x right, y down, z toward the viewer, so that a person who faces the camera has
the left hand on the right of the image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gog_pose.data.synthetic.chance import pick

SIDES = ((1, "left"), (-1, "right"))  # sign of the body's x axis, name


@dataclass(frozen=True)
class Proportions:
    """Lengths of a body as shares of its standing height; widths are half widths.

    Attributes:
        head: Chin to crown.
        neck: Chin to the base of the neck.
        torso: Base of the neck to the line of the hips.
        thigh: Hip to knee.
        shin: Knee to ankle.
        upper_arm: Shoulder to elbow.
        forearm: Elbow to wrist.
        shoulder: Half distance of the shoulder joints.
        hip: Half distance of the hip joints.
        girth: Factor of the thickness of all body parts.
    """

    head: float
    neck: float
    torso: float
    thigh: float
    shin: float
    upper_arm: float
    forearm: float
    shoulder: float
    hip: float
    girth: float

    @staticmethod
    def sample(rng: np.random.Generator) -> Proportions:
        """Sample an adult or, with probability 0.2, a child."""
        child = rng.random() < 0.2
        head = rng.uniform(0.17, 0.205) if child else rng.uniform(0.138, 0.162)
        neck = rng.uniform(0.02, 0.03) if child else rng.uniform(0.028, 0.042)
        torso = rng.uniform(0.285, 0.315)
        foot = 0.045
        leg = 1 - head - neck - torso - foot
        thigh = leg * rng.uniform(0.49, 0.53)
        arm = rng.uniform(0.27, 0.30) if child else rng.uniform(0.305, 0.34)
        upper_arm = arm * rng.uniform(0.51, 0.55)
        return Proportions(
            head=head,
            neck=neck,
            torso=torso,
            thigh=thigh,
            shin=leg - thigh,
            upper_arm=upper_arm,
            forearm=arm - upper_arm,
            shoulder=rng.uniform(0.093, 0.122) * (0.92 if child else 1),
            hip=rng.uniform(0.05, 0.07),
            girth=rng.uniform(0.85, 1.25),
        )


@dataclass(frozen=True)
class Body:
    """A posed body in the axes of the camera, in shares of the standing height.

    Attributes:
        points: Name -> ``(3,)``: the joints ``left_shoulder`` ... and ``neck``, ``pelvis``, ``left_toe``, ....
        view: ``(3, 3)`` rotation from the pelvis' axes to the camera's.
        chest: ``(3, 3)`` rotation from the chest's axes to the camera's.
        head: ``(3, 3)`` rotation from the head's axes to the camera's.
        proportions: Lengths and widths.
        seated: Whether the person sits, with both thighs raised.
    """

    points: dict[str, np.ndarray]
    view: np.ndarray
    chest: np.ndarray
    head: np.ndarray
    proportions: Proportions
    seated: bool


def turn(x: float = 0, y: float = 0, z: float = 0) -> np.ndarray:
    """Return the rotation ``Rz Ry Rx`` by angles in degrees: x bows forward, y turns left, z tilts clockwise."""
    (cx, sx), (cy, sy), (cz, sz) = ((np.cos(a), np.sin(a)) for a in np.deg2rad([x, y, z]))
    bow = np.array([[1, 0, 0], [0, cx, sx], [0, -sx, cx]])
    spin = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    tilt = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return np.asarray(tilt @ spin @ bow)


def pose(rng: np.random.Generator, proportions: Proportions) -> Body:
    """Sample a pose and a point of view."""
    size = proportions
    yaw = (0 if rng.random() < 0.6 else 180) + _bell(rng, 38, 95)
    roll = _bell(rng, 9, 25) if rng.random() < 0.95 else rng.uniform(-80, 80)
    view = turn(z=roll) @ turn(x=rng.uniform(2, 14)) @ turn(y=yaw)

    gait = pick(rng, {"stand": 0.42, "walk": 0.28, "sit": 0.16, "lunge": 0.14})
    bow = rng.uniform(-4, 12) + (rng.uniform(5, 25) if rng.random() < 0.2 else 0)
    chest = turn(y=_bell(rng, 8, 25)) @ turn(x=bow, z=_bell(rng, 6, 18))
    head = chest @ turn(y=_bell(rng, 22, 60), x=rng.uniform(-14, 18) - 0.5 * bow, z=_bell(rng, 7, 20))

    points = {"pelvis": np.zeros(3)}
    points["neck"] = chest @ np.array([0, -size.torso, 0])
    points["chin"] = points["neck"] + (0.6 * chest + 0.4 * head) @ np.array([0, -size.neck, 0.01])
    points["skull"] = points["chin"] + head @ np.array([0, -0.5 * size.head, 0.012])
    for sign, side in SIDES:
        arm, forearm, lift = _arm(rng, sign, gait == "walk")
        shoulder = points["neck"] + chest @ np.array([sign * size.shoulder, 0.035 - 0.03 * lift, 0])
        points[f"{side}_shoulder"] = shoulder
        points[f"{side}_elbow"] = shoulder + size.upper_arm * (chest @ arm)
        points[f"{side}_wrist"] = points[f"{side}_elbow"] + size.forearm * (chest @ forearm)
        points[f"{side}_hand"] = points[f"{side}_wrist"] + 0.06 * (chest @ forearm)
    swing = (1 if rng.random() < 0.5 else -1) * rng.uniform(8, 28)
    for sign, side in SIDES:
        flex, bend, spread = _leg(rng, gait, sign * swing)
        hip = np.array([sign * size.hip, 0, 0])
        points[f"{side}_hip"] = hip
        points[f"{side}_knee"] = hip + size.thigh * _leg_direction(sign, flex, spread)
        shin = _leg_direction(sign, flex - bend, 0.5 * spread)
        points[f"{side}_ankle"] = points[f"{side}_knee"] + size.shin * shin
        foot = _leg_direction(sign, flex - bend + rng.uniform(72, 92), rng.uniform(5, 22))
        heel = points[f"{side}_ankle"] + 0.028 * shin
        points[f"{side}_heel"] = heel - 0.018 * foot
        points[f"{side}_toe"] = heel + 0.085 * foot

    return Body(
        points={name: view @ point for name, point in points.items()},
        view=view,
        chest=view @ chest,
        head=view @ head,
        proportions=proportions,
        seated=gait == "sit",
    )


def _bell(rng: np.random.Generator, spread: float, limit: float) -> float:
    """Sample a normally distributed angle around 0, degrees, clipped at a limit."""
    return max(-limit, min(limit, rng.normal(0, spread)))


def _arm(rng: np.random.Generator, sign: int, walking: bool) -> tuple[np.ndarray, np.ndarray, float]:
    """Sample unit vectors along the upper arm and the forearm (chest's axes) and the lift of the shoulder in 0..1.

    ``raise_`` is the angle from a hanging arm, ``way`` the direction in which it is raised (0 = sideways, 90 =
    forward), both in degrees.
    """
    kind = pick(rng, {"hang": 0.36, "akimbo": 0.12, "hold": 0.18, "aside": 0.12, "up": 0.14, "any": 0.08})
    raise_, way, bend, towards = {
        "hang": (rng.uniform(4, 26), rng.uniform(-30, 70), rng.uniform(3, 40), (-0.2, 0, 1)),
        "akimbo": (rng.uniform(30, 55), rng.uniform(-25, 20), rng.uniform(70, 110), (-1, 0.2, 0.25)),
        "hold": (rng.uniform(8, 45), rng.uniform(30, 95), rng.uniform(55, 125), (-0.5, -0.6, 1)),
        "aside": (rng.uniform(60, 100), rng.uniform(-15, 35), rng.uniform(5, 100), (-0.1, -1, 0.6)),
        "up": (rng.uniform(105, 170), rng.uniform(-10, 50), rng.uniform(5, 110), (-1, -0.4, 0.3)),
        "any": (rng.uniform(10, 150), rng.uniform(-20, 90), rng.uniform(5, 130), (-0.5, -0.5, 0.8)),
    }[kind]
    if walking and kind == "hang":
        raise_, way = rng.uniform(8, 30), -60 if rng.random() < 0.5 else 80
    e, a, b = np.deg2rad([raise_, way, bend])
    arm = np.array([sign * np.sin(e) * np.cos(a), np.cos(e), np.sin(e) * np.sin(a)])
    pull = np.array(towards, dtype=float) + rng.normal(0, 0.25, 3)
    pull[0] *= sign
    pull -= (pull @ arm) * arm
    forearm = np.cos(b) * arm + np.sin(b) * pull / np.linalg.norm(pull)
    return arm, forearm, max(0.0, float(-np.cos(e)))


def _leg(rng: np.random.Generator, gait: str, swing: float) -> tuple[float, float, float]:
    """Sample angles in degrees: hip flexion to the front, knee flexion, spread to the side."""
    if gait == "walk":
        return swing, rng.uniform(2, 18) + max(0.0, -swing) * rng.uniform(0.5, 1.8), rng.uniform(0, 7)
    if gait == "sit":
        return rng.uniform(55, 95), rng.uniform(60, 110), rng.uniform(2, 25)
    if gait == "lunge":
        return rng.uniform(-15, 60), rng.uniform(10, 80), rng.uniform(5, 38)
    return rng.uniform(-5, 9), rng.uniform(0, 14), rng.uniform(1, 11)


def _leg_direction(sign: int, flex: float, spread: float) -> np.ndarray:
    f, s = np.deg2rad([flex, spread])
    return np.array([sign * np.sin(s), np.cos(s) * np.cos(f), np.cos(s) * np.sin(f)])
