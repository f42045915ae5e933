"""Scenes: people of different sizes in front of a backdrop, who may cover each other, with annotations."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from gog_pose.data.synthetic.appearance import Appearance
from gog_pose.data.synthetic.backdrop import backdrop, distractors, occluder
from gog_pose.data.synthetic.body import Proportions, pose
from gog_pose.data.synthetic.canvas import Canvas
from gog_pose.data.synthetic.chance import pick
from gog_pose.data.synthetic.labels import Annotation, crowd_annotation, person_annotation, person_mask
from gog_pose.data.synthetic.person import Person

_PEOPLE = {1: 0.26, 2: 0.26, 3: 0.18, 4: 0.12, 5: 0.08, 6: 0.05, 7: 0.03, 8: 0.02}  # number -> probability
_HARDLY_SEEN = 0.15  # visible share of a body below which a person gets no keypoints
_SMALLEST_AREA = 8  # visible pixels below which a person is not annotated


class Scene(NamedTuple):
    """A picture and its annotations.

    Attributes:
        image: ``(H, W, 3)`` uint8 RGB.
        annotations: COCO annotations without ``id``, ``image_id`` and ``category_id``.
    """

    image: np.ndarray
    annotations: list[Annotation]


class _Actor(NamedTuple):
    person: Person
    role: str  # "main", "tiny" or "crowd"


def render_scene(
    seed: int | np.random.SeedSequence | np.random.Generator,
    *,
    image_size: tuple[int, int] = (480, 640),
    max_people: int = 8,
    height_range: tuple[float, float] = (60.0, 400.0),
    protectors: bool = True,
) -> Scene:
    """Draw a scene.

    Args:
        seed: Seed of all random choices.
        image_size: ``(height, width)`` px.
        max_people: Largest number of people with keypoints; tiny people and a crowd may be added.
        height_range: Least and largest standing height of these people, px.
        protectors: Whether people wear colored protectors on their joints.
    """
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * np.pi)
    canvas = Canvas(backdrop(rng, image_size), rng.uniform(0.2, 1) * np.array([np.cos(angle), np.sin(angle)]))
    distractors(rng, canvas)
    actors = _cast(rng, image_size, max_people, height_range, protectors)
    # Number of actors behind each occluder; the others are in front of it.
    things = rng.integers(1, len(actors) + 1, pick(rng, {0: 0.55, 1: 0.3, 2: 0.15}))
    whole_areas = []
    for index, actor in enumerate(actors):
        _shadow(canvas, actor.person)
        actor.person.draw(canvas, index)
        whole_areas.append(int(person_mask(canvas.ids, index).sum()))
        for _ in range(int((things == index + 1).sum())):
            occluder(rng, canvas)
    return Scene(_expose(rng, canvas.pixels), _annotate(rng, canvas.ids, actors, whole_areas))


def _cast(
    rng: np.random.Generator,
    image_size: tuple[int, int],
    max_people: int,
    height_range: tuple[float, float],
    protectors: bool,
) -> list[_Actor]:
    """Sample the people of a scene and their positions, from far to near."""
    smallest, largest = height_range
    number = pick(rng, _PEOPLE)
    heights = np.sort(
        np.exp(np.log(smallest) + np.log(largest / smallest) * rng.beta(4.0, 1.2, min(number, max_people)))
    )
    actors = _crowd(rng, image_size, 0.75 * smallest, protectors) if rng.random() < 0.1 else []
    if rng.random() < 0.15:
        for _ in range(rng.integers(1, 4)):
            height = min(40.0, smallest) * rng.uniform(0.4, 0.8)
            actors.append(_Actor(_someone(rng, image_size, height, [], protectors), "tiny"))
    boxes: list[np.ndarray] = []
    for height in heights:
        person = _someone(rng, image_size, float(height), boxes, protectors)
        boxes.append(person.box())
        actors.append(_Actor(person, "main"))
    return actors


def _someone(
    rng: np.random.Generator, image_size: tuple[int, int], height: float, boxes: list[np.ndarray], protectors: bool
) -> Person:
    """Sample a person and a position, usually one with little overlap with the given boxes."""
    proportions = Proportions.sample(rng)
    body = pose(rng, proportions)
    person = Person(body, Appearance.sample(rng, seated=body.seated, protectors=protectors), height, np.zeros(2))
    extent = person.box()
    places = [_place(rng, image_size, extent) for _ in range(4 if rng.random() < 0.7 else 1)]
    person.origin = min(places, key=lambda place: _overlap(extent + np.tile(place, 2), boxes))
    return person


def _place(rng: np.random.Generator, image_size: tuple[int, int], extent: np.ndarray) -> np.ndarray:
    """Sample the center of the hips, px; with probability 1/6 the border may cut the person."""
    size = np.array(image_size[::-1], dtype=float)
    low, high = -extent[:2], size - extent[2:]
    margin = 0.4 * (extent[2:] - extent[:2]) if rng.random() < 1 / 6 else np.zeros(2)
    if low[1] > high[1]:  # the person is taller than the image: keep the head inside
        high[1] = low[1] + 0.05 * size[1]
    if low[0] > high[0]:
        low[0], high[0] = high[0], low[0]
    return np.asarray(rng.uniform(low - margin, high + margin))


def _overlap(box: np.ndarray, boxes: list[np.ndarray]) -> float:
    """Return the largest overlap of a box with other boxes, as share of the smaller box."""
    worst = 0.0
    for other in boxes:
        common = np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2])
        areas = [float(np.prod(b[2:] - b[:2])) for b in (box, other)]
        worst = max(worst, float(np.prod(np.maximum(common, 0))) / min(areas))
    return worst


def _crowd(rng: np.random.Generator, image_size: tuple[int, int], tallest: float, protectors: bool) -> list[_Actor]:
    """Sample a dense group of small people."""
    height, width = image_size
    size = min(tallest, 0.4 * height) * rng.uniform(0.55, 1)
    members = int(rng.integers(6, 13))
    center = rng.uniform([0.2 * width, 0.25 * height], [0.8 * width, 0.75 * height])
    places = center + rng.uniform(-1, 1, (members, 2)) * [0.16 * size * members, 0.3 * size]
    actors = []
    for place in sorted(places.tolist(), key=lambda xy: xy[1]):
        person = _someone(rng, image_size, size * rng.uniform(0.85, 1.1), [], protectors)
        person.origin = np.array(place)
        actors.append(_Actor(person, "crowd"))
    return actors


def _shadow(canvas: Canvas, person: Person) -> None:
    """Darken the ground below a person."""
    feet = np.stack([person.at("left_heel"), person.at("right_heel")])
    reach = 0.08 * person.height + 0.5 * abs(feet[0, 0] - feet[1, 0])
    center = np.array([feet[:, 0].mean(), feet[:, 1].max() + 0.02 * person.height])
    axes = np.array([[reach, 0], [0, 0.03 * person.height]])
    canvas.ellipse(center, axes, np.full(3, 20, np.float32), opacity=0.4)


def _annotate(
    rng: np.random.Generator, ids: np.ndarray, actors: list[_Actor], whole_areas: list[int]
) -> list[Annotation]:
    annotations = []
    crowd = np.zeros(ids.shape, dtype=bool)
    for index, (actor, whole_area) in enumerate(zip(actors, whole_areas, strict=True)):
        mask = person_mask(ids, index)
        if actor.role == "crowd":
            crowd |= mask
            continue
        area = int(mask.sum())
        if area < _SMALLEST_AREA:
            continue
        seen_well = actor.role == "main" and area >= _HARDLY_SEEN * whole_area
        annotations.append(person_annotation(rng, ids, actor.person, index, mask, with_keypoints=seen_well))
    if crowd.sum() >= _SMALLEST_AREA:
        annotations.append(crowd_annotation(rng, crowd))
    return annotations


def _expose(rng: np.random.Generator, pixels: np.ndarray) -> np.ndarray:
    """Apply random exposure, white balance, blur and sensor noise; return ``(H, W, 3)`` uint8."""
    gain = rng.uniform(0.8, 1.15) * rng.uniform(0.97, 1.03, 3)
    levels = np.clip(np.arange(256)[:, None] * gain + rng.uniform(-12, 12), 0, 255)
    exposed = cv2.LUT(cv2.convertScaleAbs(pixels), levels.round().astype(np.uint8)[None])
    if rng.random() < 0.25:
        exposed = cv2.GaussianBlur(exposed, (0, 0), rng.uniform(0.4, 0.9))
    grain = rng.standard_normal(pixels.shape[:2], dtype=np.float32) * np.float32(rng.uniform(1, 7))
    return np.asarray(cv2.add(exposed, cv2.merge([grain] * 3), dtype=cv2.CV_8U))
