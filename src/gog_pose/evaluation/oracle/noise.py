"""Disturbed ground-truth maps with the typical errors of networks, for comparing decoder options.

On perfect maps nearly all grouping rules have the same accuracy, so ``MapNoise`` adds errors like those of networks.
Each person has a difficulty, higher for small people, which scales all disturbances of the person: in photographs,
people that are hard to see have both weak responses and wrong offsets.

The presets are in ``conf/noise``. The strengths of ``medium`` are calibrated: on 100 photographs, the rates of
misplaced, weak, missing and false responses and the offset errors are similar to those of the bundled model's maps, and
decoder options rank in the same order as on the model's maps (``docs/model_card.md``). ``light`` and ``heavy`` are
weaker and stronger.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import NamedTuple

import cv2
import numpy as np
import torch

from gog_pose.errors import InputError
from gog_pose.geometry import cells_to_image
from gog_pose.maps.windows import windows_around
from gog_pose.methods.method import Encoder, Maps
from gog_pose.methods.people import People
from gog_pose.skeleton import Skeleton

_TYPICAL_SCALE = 96.0  # px, network input; people of this size have a mean difficulty of 1
_BACKGROUND_CELLS = 16  # grid spacing of the random offsets in the background, cells
_FAINTEST = 0.1  # lowest strength of false people
_OF_PERSON = 0.6  # share of the mean fading of a keypoint that is common to all keypoints of the person
_NEAR = 0.5  # share of false people that are placed beside the person that they copy


@dataclass(frozen=True)
class MapNoise:
    """Disturbs the maps of one image; the defaults leave the maps unchanged.

    Strengths of disturbances of a person are multiplied by the person's difficulty (1 on average).

    Attributes:
        displacement: Standard deviation of a keypoint's displacement, in units of ``2 sigma_k`` x person scale as in
            OKS, where the scale is the square root of the box area. 0.4 gives a similarity of about 0.85.
        fading: Responses are multiplied by ``exp(-fading e)``, where ``e`` (mean 1) is the sum of two exponentially
            distributed numbers, one per person and a smaller one per keypoint.
        missing: Probability that a keypoint has no response.
        spurious: Mean number of false people per image. A false person has about half of the keypoints of a person of
            the image, at another position, in half of the cases near that person. The lowest strength is 0.1; a quarter
            of the false people exceed twice that strength.
        blur: Largest standard deviation of a Gaussian blur of the heatmaps, cells; sampled once per image.
        texture: Amplitude of smooth noise in the heatmaps, as a fraction of the response.
        coarse: Weight of a copy of the maps that was reduced to half the resolution and enlarged again.
        offset_shrink: Largest shortening of the offsets of a limb, as a fraction of the limb's length (networks predict
            long vectors too short).
        offset_noise: Standard deviation of the error that all offsets around a limb's start share, as a fraction of
            the limb's length; the error of a single cell is a fifth of that. Here and for ``offset_shrink`` the square
            root of the difficulty is used.
        background: Standard deviation of the offsets in cells without supervision, as a fraction of the mean length of
            the image's limbs of the type.
        confusion: Largest fraction of a left keypoint's response that moves to the right keypoint's heatmap and vice
            versa, together with the offsets of the mirrored limbs and the tags.
        tag_noise: Standard deviation of the error that the tags nearest to a keypoint share. Tags that differ by less
            than 1 count as equal; ideal tags of two people differ by 4.

    Raises:
        InputError: A strength is negative, or a probability or fraction is above 1.
    """

    displacement: float = 0.0
    fading: float = 0.0
    missing: float = 0.0
    spurious: float = 0.0
    blur: float = 0.0
    texture: float = 0.0
    coarse: float = 0.0
    offset_shrink: float = 0.0
    offset_noise: float = 0.0
    background: float = 0.0
    confusion: float = 0.0
    tag_noise: float = 0.0

    def __post_init__(self) -> None:
        """Check the strengths."""
        for field in fields(self):
            value = getattr(self, field.name)
            most = 1.0 if field.name in ("missing", "coarse", "offset_shrink", "confusion") else float("inf")
            if not 0 <= value <= most:
                raise InputError(f"noise.{field.name}: must be between 0 and {most:g}, got {value}")

    def difficulties(self, scales: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Sample ``(P,)`` difficulties of people with ``(P,)`` scales, px, network input."""
        size = np.clip(_TYPICAL_SCALE / np.maximum(scales, 1.0), 0.4, 2.5) ** 0.5
        return np.asarray(size * random.lognormal(-0.125, 0.5, len(scales)))

    def displaced(
        self,
        keypoints: np.ndarray,
        scales: np.ndarray,
        difficulties: np.ndarray,
        skeleton: Skeleton,
        random: np.random.Generator,
    ) -> np.ndarray:
        """Displace keypoints before encoding, so that the maps have misplaced peaks.

        Args:
            keypoints: ``(P, K, 3)`` px, network input.
            scales: ``(P,)`` px.
            difficulties: ``(P,)``.
            skeleton: OKS sigmas ``sigma_k``.
            random: Random number generator.

        Returns:
            ``(P, K, 3)``; unlabeled keypoints are unchanged.
        """
        unit = 2 * np.array(skeleton.oks_sigmas)[None, :] * (scales * difficulties)[:, None]
        step = random.standard_normal((*keypoints.shape[:2], 2)) * self.displacement * unit[..., None]
        moved: np.ndarray = keypoints.copy()
        moved[..., :2] += np.where(keypoints[..., 2:] > 0, step, 0)
        return moved

    def disturbed(
        self, maps: Maps, people: People, difficulties: np.ndarray, encoder: Encoder, random: np.random.Generator
    ) -> Maps:
        """Disturb the maps of any method, as described by its fields.

        Args:
            maps: Ground-truth maps of one image (batch size 1); not modified.
            people: The people of the maps, px, network input.
            difficulties: ``(P,)``.
            encoder: Encoder of the maps, which defines points, fields and the width of responses.
            random: Random number generator.

        Returns:
            Maps of the same shape. Responses, tags, and vectors from one point to another are disturbed; refinement
            offsets, scales and spreads are unchanged.
        """
        copies = {
            field.name: getattr(maps, field.name).numpy().copy()
            for field in encoder.fields
            if getattr(maps, field.name) is not None and (field.kind in ("responses", "tags") or field.goals)
        }
        scene = _Scene.of(encoder, encoder.points(people), difficulties, copies)
        self._fade(scene, random)
        self._bend(scene, random)
        self._retag(scene, random)
        self._confuse(scene, random)
        self._invent(scene, encoder.sigma, random)
        self._coarsen(scene, random)
        return maps._replace(**{name: torch.from_numpy(copy) for name, copy in copies.items()})

    def _fade(self, scene: _Scene, random: np.random.Generator) -> None:
        """Multiply the responses of each point by a random factor, which is 0 for missing points."""
        shape = scene.points.shape[:2]
        of_person = random.exponential(_OF_PERSON, (len(scene.points), 1))
        faintness = of_person + random.exponential(1 - _OF_PERSON, shape)
        factors = np.exp(-self.fading * scene.difficulties[:, None] * faintness)
        factors[random.random(shape) < np.minimum(self.missing * scene.difficulties[:, None], 0.9)] = 0
        for response in scene.responses:
            rows, columns = np.nonzero(response.map)
            owner = scene.owners(response.point, rows, columns, response.stride)
            if owner is not None:
                response.map[rows, columns] *= factors[owner, response.point].astype(np.float32)

    def _bend(self, scene: _Scene, random: np.random.Generator) -> None:
        """Shorten and turn the vectors of each item, and fill the background with random vectors."""
        people, items = len(scene.points), len(scene.vectors)
        hardness = np.sqrt(scene.difficulties)  # offsets vary less between people than responses
        shrinks = self.offset_shrink * np.minimum(hardness[:, None] * random.random((people, items)), 1)
        shared = random.standard_normal((people, items, 2)) * hardness[:, None, None]
        for index, item in enumerate(scene.vectors):
            height, width = item.maps.shape[1:]
            inside = item.maps.any(axis=0)
            rows, columns = np.nonzero(inside)
            both = (scene.points[:, item.point, 2] > 0) & (scene.points[:, item.goal, 2] > 0)
            vectors = scene.points[:, item.goal, :2] - scene.points[:, item.point, :2]
            lengths = np.hypot(*vectors.T)
            if self.background:
                mean = lengths[both].mean() if both.any() else 0.1 * max(height, width) * item.stride
                coarse_hw = (-(-height // _BACKGROUND_CELLS) + 1, -(-width // _BACKGROUND_CELLS) + 1)
                field = random.standard_normal((2, *coarse_hw)) * self.background * mean
                for axis in range(2):
                    smooth = cv2.resize(field[axis], (width, height), interpolation=cv2.INTER_LINEAR)
                    item.maps[axis][~inside] = smooth[~inside]
            owner = scene.owners(item.point, rows, columns, item.stride, both)
            if owner is not None:
                error = self.offset_noise * lengths[:, None] * shared[:, index] - shrinks[:, index, None] * vectors
                alone = self.offset_noise * 0.2 * lengths[owner] * random.standard_normal((2, len(owner)))
                item.maps[:, rows, columns] += (error[owner].T + alone).astype(np.float32)

    def _retag(self, scene: _Scene, random: np.random.Generator) -> None:
        """Add the same random error to all tags that are nearest to the same keypoint."""
        for tags in scene.tags if self.tag_noise else ():
            errors = self.tag_noise * scene.difficulties * random.standard_normal(len(scene.points))
            rows, columns = (index.ravel() for index in np.indices(tags.map.shape))
            owner = scene.owners(tags.point, rows, columns, tags.stride)
            if owner is not None:
                tags.map[:] += errors[owner].reshape(tags.map.shape).astype(np.float32)

    def _confuse(self, scene: _Scene, random: np.random.Generator) -> None:
        """Move a fraction of the left responses to the right heatmaps and vice versa, with their vectors and tags."""
        if not self.confusion:
            return
        # The square of a uniform number is rarely large. All mirror pairs of a person are confused together.
        parts = self.confusion * np.minimum(random.random(len(scene.points)) ** 2 * scene.difficulties, 1)
        before = [response.map.copy() for response in scene.responses]
        vectors_before = [item.maps.copy() for item in scene.vectors]
        tags_before = [item.map.copy() for item in scene.tags]
        pairs = [(one, response.mirror) for one, response in enumerate(scene.responses) if one < response.mirror]
        for source, target in (*pairs, *((target, source) for source, target in pairs)):
            response = scene.responses[source]
            rows, columns = np.nonzero(before[source])
            owner = scene.owners(response.point, rows, columns, response.stride)
            if owner is None:
                continue
            part = parts[owner].astype(np.float32)
            response.map[rows, columns] -= part * before[source][rows, columns]
            scene.responses[target].map[rows, columns] += part * before[source][rows, columns]
            # Where the source response was the higher one, the target also gets its vectors and tags.
            empty = before[target][rows, columns] < before[source][rows, columns]
            rows, columns = rows[empty], columns[empty]
            for index, item in enumerate(scene.vectors):
                if item.point != response.point or item.reversed or item.mirror == index:
                    continue
                if item.stride != response.stride:
                    continue
                scene.vectors[item.mirror].maps[:, rows, columns] = vectors_before[index][:, rows, columns]
            for index, tags in enumerate(scene.tags):
                if tags.point == response.point and tags.stride == response.stride:
                    scene.tags[tags.mirror].map[rows, columns] = tags_before[index][rows, columns]

    def _invent(self, scene: _Scene, sigma: float, random: np.random.Generator) -> None:
        """Add false people: weak copies of people of the image at other positions, with their vectors and tags."""
        labeled = np.flatnonzero((scene.points[..., 2] > 0).any(axis=1))
        number = random.poisson(self.spurious) if len(labeled) else 0
        if not number:
            return
        copied = scene.points[random.choice(labeled, number)]
        people = [_false_person(points, scene.responses[0], sigma, random) for points in copied]
        points, seen = (np.stack(part) for part in zip(*people, strict=True))  # (N, T, 2), (N, T)
        faintest = np.minimum(_FAINTEST / np.sqrt(1 - random.random(number)), 1)
        strengths = faintest[:, None] * random.uniform(0.5, 1.5, seen.shape)
        tag = random.random(number)
        turns = self.offset_noise * random.standard_normal((number, len(scene.vectors), 2))
        for response in scene.responses:
            (who,) = np.nonzero(seen[:, response.point])
            places, owner, away = _drawn(points[:, response.point], strengths[:, response.point], who, response, sigma)
            for index, item in enumerate(scene.vectors):
                if (item.point, item.stride) == (response.point, response.stride):
                    vectors = points[:, item.goal] - points[:, item.point]
                    vectors += turns[:, index] * np.hypot(*vectors.T)[:, None]
                    for axis in range(2):
                        item.maps[axis].reshape(-1)[places] = vectors[owner, axis] - away[axis]
            for tags in scene.tags:
                if (tags.point, tags.stride) == (response.point, response.stride):
                    tags.map.reshape(-1)[places] = tags.map.min() + tag[owner] * np.ptp(tags.map)

    def _coarsen(self, scene: _Scene, random: np.random.Generator) -> None:
        """Blur the maps, add texture, and mix them with a copy of half the resolution."""
        blur = self.blur * random.random()
        for response in scene.responses:
            height, width = response.map.shape
            if blur > 0.1:  # cells; a smaller blur has no effect beyond rounding
                response.map[:] = cv2.GaussianBlur(response.map, (0, 0), blur)
            if self.texture:
                rough = random.standard_normal((-(-height // 2) + 1, -(-width // 2) + 1)).astype(np.float32)
                response.map[:] *= 1 + self.texture * cv2.resize(rough, (width, height), interpolation=cv2.INTER_LINEAR)
        if self.coarse:
            channels = [axis for item in scene.vectors for axis in item.maps]
            for channel in (*(response.map for response in scene.responses), *channels):
                height, width = channel.shape
                half = cv2.resize(channel, (max(1, width // 2), max(1, height // 2)), interpolation=cv2.INTER_AREA)
                back = cv2.resize(half, (width, height), interpolation=cv2.INTER_LINEAR)
                channel += self.coarse * (back - channel)


def _false_person(
    points: np.ndarray, response: _Response, sigma: float, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Move the points of a person and choose half of them.

    Args:
        points: ``(T, 3)`` px, network input.
        response: Any response map, for the size of the image.
        sigma: Standard deviation of the responses, px.
        random: Random number generator.

    Returns:
        ``(T, 2)`` float64 points and ``(T,)`` bool, True for points with a response.
    """
    seen, points = points[:, 2] > 0, points[:, :2].astype(np.float64)
    extent = np.ptp(points[seen], axis=0).max() + 6 * sigma
    if random.random() < _NEAR:
        points += random.standard_normal(2) * extent / 4
    else:
        height, width = response.map.shape
        goal = random.random(2) * (width, height) * response.stride
        points += goal - points[seen].mean(axis=0)
    points += random.standard_normal(points.shape) * extent / 20
    return points, seen & (random.random(len(points)) < 0.5)


def _drawn(
    points: np.ndarray, strengths: np.ndarray, who: np.ndarray, response: _Response, sigma: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Render the responses of false people into a map, in cells where they exceed the present response.

    Args:
        points: ``(N, 2)`` px, network input.
        strengths: ``(N,)`` peak values of the responses.
        who: Indices of the points with a response.
        response: The map.
        sigma: Standard deviation of the responses, px.

    Returns:
        The changed cells, in order of increasing response: ``(C,)`` indices into the flattened map, ``(C,)`` indices of
        the points, and ``(2, C)`` vectors from the point to the cell, px.
    """
    xy = points[who].T
    radius = math.ceil(3 * sigma / response.stride)
    size = (response.map.shape[0], response.map.shape[1])
    windows = windows_around(xy, np.zeros(len(who), np.int64), radius, map_size=size, stride=response.stride)
    along = windows.lines - xy[:, None]  # (2, S, n)
    heights = np.exp(along**2 / (-2 * sigma**2)) * windows.inside
    blobs = heights[1][:, None] * heights[0] * strengths[who]  # (S, S, n)
    flat = response.map.reshape(-1)
    higher = blobs > flat.take(windows.places, mode="clip")  # blobs are 0 where a window is outside the map
    rows, columns, owners = np.nonzero(higher)
    order = np.argsort(blobs[higher])
    rows, columns, owners = rows[order], columns[order], owners[order]
    cells = windows.places[rows, columns, owners]
    flat[cells] = blobs[rows, columns, owners]
    return cells, who[owners], np.stack([along[0, columns, owners], along[1, rows, owners]])


class _Response(NamedTuple):
    """One response map: a view of ``(h, w)``, the type of its point, and the index of its mirror image in the scene."""

    map: np.ndarray
    point: int
    stride: int
    mirror: int


class _Tags(NamedTuple):
    """One map of tags: a view of ``(h, w)``, the type of its point, and the index of its mirror image."""

    map: np.ndarray
    point: int
    stride: int
    mirror: int


class _Vectors(NamedTuple):
    """Vectors from one point to another: a view of ``(2, h, w)``, both types, and the index of their mirror image."""

    maps: np.ndarray
    point: int
    goal: int
    stride: int
    mirror: int
    reversed: bool


@dataclass(frozen=True)
class _Scene:
    """The people and the maps to disturb, one entry per item of a field.

    Attributes:
        points: ``(P, T, 3)`` px, network input.
        difficulties: ``(P,)``.
        responses: Response maps, ordered by the types of their points.
        vectors: Vector maps of items with a goal.
        tags: Tag maps.
    """

    points: np.ndarray
    difficulties: np.ndarray
    responses: list[_Response]
    vectors: list[_Vectors]
    tags: list[_Tags]

    @classmethod
    def of(
        cls, encoder: Encoder, points: np.ndarray, difficulties: np.ndarray, copies: dict[str, np.ndarray]
    ) -> _Scene:
        """Collect the items of ``(1, C, h, w)`` maps."""
        fields = [field for field in encoder.fields if field.name in copies]
        drawn = [
            (point, number, item)
            for number, field in enumerate(fields)
            if field.kind == "responses"
            for item, point in enumerate(field.points)
        ]
        drawn.sort()
        place = {(number, item): order for order, (_, number, item) in enumerate(drawn)}
        responses = [
            _Response(
                copies[fields[number].name][0, item],
                point,
                fields[number].stride,
                place[number, fields[number].mirror[item]],
            )
            for point, number, item in drawn
        ]
        vectors: list[_Vectors] = []
        tags: list[_Tags] = []
        for field in fields:
            if field.kind == "tags":
                first = len(tags)
                items = zip(copies[field.name][0], field.points, field.mirror, strict=True)
                tags += [_Tags(one, point, field.stride, first + mirror) for one, point, mirror in items]
            if field.goals:
                first = len(vectors)
                maps = copies[field.name][0]
                maps = maps.reshape(-1, 2, *maps.shape[1:])
                reversed_items = field.reversed or (False,) * len(field.points)
                for item, (point, goal) in enumerate(zip(field.points, field.goals, strict=True)):
                    mirror = first + field.mirror[item]
                    vectors.append(_Vectors(maps[item], point, goal, field.stride, mirror, reversed_items[item]))
        return cls(points, difficulties, responses, vectors, tags)

    def owners(
        self, point: int, rows: np.ndarray, columns: np.ndarray, stride: int, among: np.ndarray | None = None
    ) -> np.ndarray | None:
        """Return ``(N,)`` indices of the people whose points of a type are nearest to the cells; None without people.

        Args:
            point: The type.
            rows: ``(N,)`` cells.
            columns: ``(N,)`` cells.
            stride: Px per cell.
            among: ``(P,)`` bool, people to choose from; None = all who have the point.
        """
        candidates = np.flatnonzero(self.points[:, point, 2] > 0 if among is None else among)
        if not len(candidates) or not len(rows):
            return None
        x = cells_to_image(columns.astype(float), stride)
        y = cells_to_image(rows.astype(float), stride)
        places = self.points[candidates, point].astype(float)
        squared = (x[:, None] - places[:, 0]) ** 2 + (y[:, None] - places[:, 1]) ** 2
        return np.asarray(candidates[squared.argmin(axis=1)])
