"""Drawing of a person, part by part from far to near, and the positions of the keypoints."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gog_pose.data.synthetic.appearance import gear, shade
from gog_pose.data.synthetic.body import SIDES
from gog_pose.data.synthetic.canvas import Canvas, capsule
from gog_pose.data.synthetic.figure import Figure
from gog_pose.data.synthetic.head import FACE, on_head, paint_head, paint_long_hair

PARTS = (
    "torso", "head", "neck", "hair", "skirt",
    *(f"{side}_{part}" for _, side in SIDES for part in ("arm", "forearm", "hand", "thigh", "shin", "foot")),
)  # fmt: skip
PART_BITS = 5  # the ids of a person: (index + 1) << PART_BITS, plus the index of the part

_PLAIN = 45.0  # px; clothes of shorter people are drawn without folds


def part_id(person: int, part: str) -> int:
    """Return the id of a part of a person; ``person`` is an index from 0."""
    return (person + 1 << PART_BITS) + PARTS.index(part)


@dataclass(frozen=True)
class Keypoint:
    """Position and visibility of a keypoint.

    Attributes:
        xy: ``(2,)`` px.
        parts: The body parts on which the keypoint is visible.
        state: ``seen`` = visible unless covered, ``behind`` = on the far side of its part, ``absent`` = turned away.
    """

    xy: np.ndarray
    parts: tuple[str, ...]
    state: str


class Person(Figure):
    """A figure that can be drawn and annotated."""

    def box(self) -> np.ndarray:
        """Return the approximate box of the person: ``(x0, y0, x1, y1)`` px."""
        points = np.stack([self.at(name) for name in self.body.points])
        margin = 0.05 * self.height
        return np.concatenate([points.min(axis=0) - margin, points.max(axis=0) + margin])

    def draw(self, canvas: Canvas, index: int) -> None:
        """Draw the person over the current picture.

        Args:
            canvas: Image and ids.
            index: Index of the person in the ids, from 0.
        """
        depth = {name: point[2] for name, point in self.body.points.items()}
        steps: list[tuple[float, Callable[[], None]]] = []
        turned_away = self.body.head[2, 2] < 0
        # Long hair hangs behind the neck: it covers the body seen from behind, and the body covers it from the front.
        if self.looks.hairstyle == "long":
            steps.append((0.06 if turned_away else -0.5, lambda: paint_long_hair(self, canvas, part_id(index, "hair"))))
        steps.append((-0.02, lambda: self._neck(canvas, index)))
        steps.append((0.0, lambda: self._torso(canvas, index)))
        steps.append(
            (
                depth["skull"] + (0.05 if depth["skull"] > -0.1 else 0.0),
                lambda: paint_head(self, canvas, part_id(index, "head")),
            )
        )
        for _, side in SIDES:
            joints = [
                depth[f"{side}_{joint}"] for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "toe")
            ]
            shoulder, elbow, wrist, hip, knee, ankle, toe = joints
            near = 0.035  # arms that touch the torso are in front of it
            steps.append((0.5 * (shoulder + elbow) + near, lambda s=side: self._upper_arm(canvas, index, s)))  # type: ignore[misc]
            steps.append((0.4 * elbow + 0.6 * wrist + near, lambda s=side: self._forearm(canvas, index, s)))  # type: ignore[misc]
            steps.append((0.5 * (hip + knee) - 0.03, lambda s=side: self._thigh(canvas, index, s)))  # type: ignore[misc]
            steps.append((0.5 * (knee + ankle) - 0.031, lambda s=side: self._shin(canvas, index, s)))  # type: ignore[misc]
            steps.append((0.5 * (ankle + toe) - 0.032, lambda s=side: self._foot(canvas, index, s)))  # type: ignore[misc]
        if self.looks.garment == "skirt":
            thighs = [0.5 * (depth[f"{side}_hip"] + depth[f"{side}_knee"]) for _, side in SIDES]
            steps.append((max(thighs) - 0.025, lambda: self._skirt(canvas, index)))
        for _, paint in sorted(steps, key=lambda step: step[0]):
            paint()

    def keypoints(self) -> dict[str, Keypoint]:
        """Return the 17 COCO keypoints by name."""
        found = {}
        for name, (x, y, z) in FACE.items():
            for side in ("left", "right") if "left" in name else ("",):
                own = name.replace("left", side)
                place = np.array([-x if side == "right" else x, y, z])
                xy, towards = on_head(self, place)
                hidden = towards < (-0.42 if "ear" in name else 0.12 if "eye" in name else -0.12)
                if "ear" in name and self.looks.ears_covered:
                    hidden = True
                found[own] = Keypoint(xy, ("head",), "absent" if hidden else "seen")
        for sign, side in SIDES:
            adjacent = {
                "shoulder": ("torso", f"{side}_arm"),
                "elbow": (f"{side}_arm", f"{side}_forearm"),
                "wrist": (f"{side}_forearm", f"{side}_hand"),
                "hip": ("torso", f"{side}_thigh", "skirt"),
                "knee": (f"{side}_thigh", f"{side}_shin", "skirt"),
                "ankle": (f"{side}_shin", f"{side}_foot"),
            }
            for joint, parts in adjacent.items():
                frame = self.body.chest if joint == "shoulder" else self.body.view
                # In profile the torso hides the shoulder and the hip of the far side.
                behind = joint in ("shoulder", "hip") and sign * frame[2, 0] < -0.72
                found[f"{side}_{joint}"] = Keypoint(self.at(f"{side}_{joint}"), parts, "behind" if behind else "seen")
        return found

    def _radius(self, share: float) -> float:
        return share * self.body.proportions.girth * self.height

    def _limb(
        self,
        canvas: Canvas,
        start: str,
        end: str,
        radii: tuple[float, float],
        color: np.ndarray | Callable[[np.ndarray, np.ndarray], np.ndarray],
        part: int,
        *,
        until: float = 1.0,
        bulge: float = 0.0,
        fold: tuple[float, ...] = (),
    ) -> None:
        """Draw a limb between two named points up to the share ``until``, with creases at the shares ``fold``."""
        a, b = self.at(start), self.at(end)
        length = float(np.hypot(*(b - a)))
        first, last = self._radius(radii[0]), self._radius(radii[1])
        profile = capsule(length, first, last, bulge)
        if until < 1:
            cut = max(until * length, 1.0)
            radius = float(np.interp(cut, profile[:, 0], profile[:, 1]))
            profile = np.concatenate([profile[profile[:, 0] < cut], [[cut, radius * 1.08]]])
        creases = [(place * length, 0.012 * self.height, 0.3) for place in fold] if self.height > _PLAIN else []
        canvas.solid(a, b, profile, color, part, creases=creases)

    def _shirt(self, radius: float, side: str) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
        """Return the texture of a sleeve with a radius in px."""
        tone = shade(side)
        return lambda u, v: tone * self.looks.top.paint(u, np.arcsin(v) * np.float32(radius), self.height)

    def _legging(self, radius: float, side: str = "") -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
        tone = shade(side)
        return lambda u, v: tone * self.looks.bottom.paint(u, np.arcsin(v) * np.float32(radius), self.height)

    def _protector(self, canvas: Canvas, part: int, side: str, joint: str, towards: str, radius: float) -> None:
        """Draw the part of a joint's protector that lies on the limb toward another joint."""
        if self.looks.protectors:
            half, wide = 0.026 * self.height, 1.35 * self._radius(radius)
            profile = np.array([[-half, 0.8 * wide], [0, wide], [half, 0.9 * wide]])
            ends = self.at(f"{side}_{joint}"), self.at(f"{side}_{towards}")
            canvas.solid(*ends, profile, gear(joint, side), part)

    def _upper_arm(self, canvas: Canvas, index: int, side: str) -> None:
        part, looks = part_id(index, f"{side}_arm"), self.looks
        ends, radii = (f"{side}_shoulder", f"{side}_elbow"), (0.031, 0.024)
        sleeve = looks.sleeve
        if sleeve < 1:
            self._limb(canvas, *ends, radii, looks.skin, part, bulge=0.1, fold=(1.0,))
        if sleeve > 0:
            wide = (radii[0] * 1.12, radii[1] * 1.2)
            fold = (1.0, 0.92) if sleeve == 1 else (min(1.0, 2 * sleeve) - 0.02,)
            self._limb(
                canvas,
                *ends,
                wide,
                self._shirt(self._radius(wide[0]), side),
                part,
                until=min(1.0, 2 * sleeve),
                fold=fold,
            )

        self._protector(canvas, part, side, "shoulder", "elbow", 0.029)
        self._protector(canvas, part, side, "elbow", "shoulder", 0.024)

    def _forearm(self, canvas: Canvas, index: int, side: str) -> None:
        part, looks = part_id(index, f"{side}_forearm"), self.looks
        ends, radii = (f"{side}_elbow", f"{side}_wrist"), (0.024, 0.016)
        self._limb(canvas, f"{side}_wrist", f"{side}_hand", (0.018, 0.02), looks.skin, part_id(index, f"{side}_hand"))
        if looks.sleeve < 1:
            self._limb(canvas, *ends, radii, looks.skin, part, bulge=0.12, fold=(0.0,))
        if looks.sleeve == 1:
            wide = (radii[0] * 1.2, radii[1] * 1.35)
            self._limb(
                canvas, *ends, wide, self._shirt(self._radius(wide[0]), side), part, until=0.98, fold=(0.0, 0.95)
            )
        elif side == "left":  # a watch
            a, b = self.at(f"{side}_wrist"), self.at(f"{side}_elbow")
            band = np.array([[0, 0.018], [0.014, 0.018]]) * self.height * self.body.proportions.girth
            canvas.solid(a, b, band, looks.accessory, part)
        self._protector(canvas, part, side, "elbow", "wrist", 0.024)
        self._protector(canvas, part, side, "wrist", "elbow", 0.02)

    def _thigh(self, canvas: Canvas, index: int, side: str) -> None:
        part, looks = part_id(index, f"{side}_thigh"), self.looks
        ends, radii = (f"{side}_hip", f"{side}_knee"), (0.056, 0.036)
        if looks.garment != "trousers":
            self._limb(canvas, *ends, radii, looks.skin, part, fold=(1.0,))
        if looks.garment != "skirt":
            wide = (radii[0] * 1.05, radii[1] * 1.12)
            until = min(1.0, 2 * looks.leg)
            fold = (1.0, 0.93) if until == 1 else (until - 0.02,)
            self._limb(canvas, *ends, wide, self._legging(self._radius(wide[0]), side), part, until=until, fold=fold)

        self._protector(canvas, part, side, "hip", "knee", 0.05)
        self._protector(canvas, part, side, "knee", "hip", 0.036)

    def _shin(self, canvas: Canvas, index: int, side: str) -> None:
        part, looks = part_id(index, f"{side}_shin"), self.looks
        ends, radii = (f"{side}_knee", f"{side}_ankle"), (0.036, 0.021)
        if looks.garment == "trousers":
            wide = (radii[0] * 1.12, radii[1] * 1.35)
            texture = self._legging(self._radius(wide[0]), side)
            self._limb(canvas, *ends, wide, texture, part, until=0.97, fold=(0.0, 0.95))
        else:
            self._limb(canvas, *ends, radii, looks.skin, part, bulge=0.16, fold=(0.0,))
            sock = (radii[1] * 1.1, radii[1] * 1.15)
            a, b = self.at(f"{side}_ankle"), self.at(f"{side}_knee")
            band = np.array([[-0.02, sock[0]], [0.03, sock[1]]]) * self.height
            band[:, 1] *= self.body.proportions.girth
            canvas.solid(a, b, band, shade(side) * looks.sock, part)
        self._protector(canvas, part, side, "knee", "ankle", 0.036)
        self._protector(canvas, part, side, "ankle", "knee", 0.025)

    def _foot(self, canvas: Canvas, index: int, side: str) -> None:
        part, color = part_id(index, f"{side}_foot"), shade(side) * self.looks.shoe
        self._limb(canvas, f"{side}_ankle", f"{side}_heel", (0.022, 0.022), color, part)
        self._limb(canvas, f"{side}_heel", f"{side}_toe", (0.023, 0.02), color, part, fold=(0.75,))

    def _neck(self, canvas: Canvas, index: int) -> None:
        self._limb(canvas, "neck", "skull", (0.032, 0.03), self.looks.skin, part_id(index, "neck"))

    def _skirt(self, canvas: Canvas, index: int) -> None:
        top, knees = self.at("pelvis"), 0.5 * (self.at("left_knee") + self.at("right_knee"))
        across = self._across(self.body.view, top, knees)
        length = float(np.hypot(*(knees - top)))
        apart = float(np.hypot(*(self.at("left_knee") - self.at("right_knee"))))
        hem = max(1.9 * self.looks.leg, 0.5) * length
        profile = np.array(
            [
                [-self._radius(0.075), self._girdle(across, 0.08, 0.07)],
                [0, self._girdle(across, 0.105, 0.08)],
                [max(hem, 2.0), self._radius(0.095) + 0.5 * apart * 1.9 * self.looks.leg],
            ]
        )
        texture = self._legging(self._radius(0.1))
        folds = [(0.98 * hem, 0.012 * self.height, 0.25)]
        canvas.solid(top, knees, profile, texture, part_id(index, "skirt"), creases=folds)

    def _girdle(self, across: np.ndarray, half_width: float, half_depth: float) -> float:
        """Return the apparent half width (px) of an elliptic cross section of the torso.

        Args:
            across: ``(3,)`` from ``_across``.
            half_width: Half axis along the body's x axis, as share of the standing height.
            half_depth: Half axis along the body's z axis, as share of the standing height.
        """
        return self._radius(math.hypot(half_width * across[0], half_depth * across[2]))

    @staticmethod
    def _across(frame: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Return the image direction perpendicular to an axis (right, if it points down) in the axes of a frame."""
        x, y = end - start
        length = math.hypot(x, y) + 1e-6
        return np.asarray(np.array([y, -x]) / length @ frame[:2])

    def _torso(self, canvas: Canvas, index: int) -> None:
        """Draw pelvis, belly and chest as one solid with the details of the shirt."""
        size, looks = self.body.proportions, self.looks
        a, b = self.at("neck"), self.at("pelvis")
        ribs, loins = self._across(self.body.chest, a, b), self._across(self.body.view, a, b)
        length = float(np.hypot(*(b - a)))
        shoulder = size.shoulder / size.girth
        widths = [
            (-0.02, self._girdle(ribs, 0.035, 0.035)),
            (0.02, self._girdle(ribs, 0.6 * shoulder, 0.045)),
            (0.10, self._girdle(ribs, shoulder + 0.012, 0.06)),
            (0.22, self._girdle(ribs, shoulder + 0.008, 0.075)),
            (0.45, self._girdle(ribs, 0.75 * shoulder + 0.018, 0.076)),
            (0.68, self._girdle(loins, 0.45 * shoulder + 0.038, 0.07)),
            (0.86, self._girdle(loins, 0.5 * size.hip / size.girth + 0.06, 0.075)),
            (1.02, self._girdle(loins, size.hip / size.girth + 0.05, 0.078)),
            (1.14, self._girdle(loins, size.hip / size.girth + 0.035, 0.06)),
            (1.22, self._girdle(loins, 0.03, 0.03)),
        ]
        profile = np.array(widths) * [length, 1]
        profile[:, 0] += np.arange(len(profile)) * 1e-3  # ascending even when the torso points at the viewer

        spin = np.float32(math.atan2(0.075 * ribs[2], shoulder * ribs[0]))
        waist = np.float32(0.82 * length)
        around = np.float32(self._radius(0.1))

        def texture(u: np.ndarray, v: np.ndarray) -> np.ndarray:
            # Angle around the body: 0 = center of the front, pi = center of the back.
            angle = np.arcsin(v) - spin
            angle -= np.float32(2 * np.pi) * np.round(angle / np.float32(2 * np.pi))
            below = np.clip(u - waist + 0.5, 0, 1)[..., None]
            shirt = np.broadcast_to(looks.top.paint(u, angle * around, self.height), (len(u), 3))
            shirt = self._shirt_details(shirt, u / np.float32(length), angle)
            legs = looks.bottom.paint(u, angle * around, self.height)
            belt = (np.abs(u / np.float32(length) - np.float32(0.835)) < np.float32(0.025))[..., None]
            painted = np.where(belt, looks.accessory, shirt + below * (legs - shirt))
            if not looks.protectors:
                return np.asarray(painted)
            at_hip = np.abs(u / np.float32(length) - 1) < np.float32(0.085)
            at_side = np.abs(np.abs(angle) - np.float32(np.pi / 2)) < np.float32(np.pi / 2 - 0.3)
            pads = np.where(angle[..., None] > 0, gear("hip", "left"), gear("hip", "right"))
            return np.where((at_hip & at_side)[..., None], pads, painted)

        folds = [(1.06 * length, 0.012 * self.height, 0.12)]
        canvas.solid(a, b, profile, texture, part_id(index, "torso"), creases=folds)

    def _shirt_details(self, shirt: np.ndarray, t: np.ndarray, angle: np.ndarray) -> np.ndarray:
        """Draw the details of the shirt that distinguish its front from its back.

        Args:
            shirt: ``(n, 3)`` colors.
            t: 0 = neck .. 1 = hips.
            angle: Radians around the body, 0 = front.
        """
        looks, offside = self.looks, np.abs(angle)

        def put(where: np.ndarray, color: np.ndarray) -> None:
            nonlocal shirt
            shirt = np.where(where[..., None], color, shirt)

        neckline = offside / np.float32(0.75) + t / np.float32(0.14)
        if looks.front == "buttons":
            put((offside < 0.07) & (t > 0.1), 0.82 * looks.top.color)
            put((offside < 0.05) & (np.abs(t * 8 - np.round(t * 8)) < 0.16) & (t > 0.1), looks.collar)
        elif looks.front == "zip":
            put((offside < 0.06) & (t > 0.05), looks.collar)
        elif looks.front == "tie":
            put((offside < 0.05 + 0.13 * t) & (t > 0.05) & (t < 0.72), looks.accessory)
        else:
            put((np.abs(angle) < 0.42) & (np.abs(t - np.float32(0.36)) < 0.1), looks.collar)
        put(neckline < 1.35, looks.collar)
        put(neckline < 1.0, looks.skin)
        # The back has a seam below the shoulders.
        put((offside > 1.75) & (np.abs(t - np.float32(0.2)) < 0.014), 0.72 * looks.top.color)
        put((offside > 1.9) & (t < 0.03), looks.collar)
        return shirt
