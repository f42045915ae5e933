"""PIFPAF's decoder, which converts maps to poses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cache, cached_property
from typing import Any, ClassVar

import numpy as np
import torch

from gog_pose.errors import InputError
from gog_pose.geometry import cells_to_image
from gog_pose.maps.fields import Field, check_maps
from gog_pose.maps.peaks import finite
from gog_pose.methods.options import require_choices, require_ranges
from gog_pose.methods.pifpaf.confidence import Confidence, Predictions
from gog_pose.methods.pifpaf.growing import Grown, Growth, Links, LinkTable, SearchedLinks, SortedLinks, Walks
from gog_pose.methods.pifpaf.occupancy import Occupancy, pixels, squares
from gog_pose.methods.pifpaf.records import PifpafMaps, fields, require_limbs
from gog_pose.methods.pifpaf.seeds import Seeds, cells, peaks
from gog_pose.methods.pifpaf.speculation import Race
from gog_pose.poses import Poses
from gog_pose.skeleton import Skeleton

_CHOICES = {
    "seeds": ("peaks", "cells"),
    "connection": ("max", "blend"),
    "score": ("mean_square", "best_mean", "weighted"),
    "distance": ("spread", "scale"),
}
_LEAST_SEED = 4.0  # px; side of the square that a seed occupies
_LEAST_SCALE = 8.0  # px; lower limit of a keypoint's scale as the unit of distances
_LARGEST_SPREAD = 20.0  # log px; spreads are clipped to it, so that their exponentials are finite
_COMPLETED = 0.001  # highest response of a keypoint that completion adds
_COMPLETION_THRESHOLD = 1e-4  # of limb responses
_COMPLETION_FLOOR = 0.9
_COMPLETION_LEAST = 1e-8  # lowest score of a connection
_BEST = 3  # number of best keypoints in the weighted score, and their weight

Arrays = Any  # the maps of one image, a PifpafMaps of arrays


@dataclass(frozen=True)
class PifpafDecoder:
    """Grows poses along limbs ("PifPaf", 2019, Sec. 3.4), by the rules of the program that gave the paper's results.

    All cells of a keypoint add Gaussians to a confidence map of the size of the input image, whose peaks are seeds.
    Starting with the most confident seed, each seed that lies in no pose grows into a pose: limbs lead from its
    keypoints to missing ones, if the reverse direction leads back to the same keypoint. Later versions of the program
    changed some rules; ``score``, ``connection``, ``seeds``, ``distance``, ``clip`` and ``floor`` select them.

    Attributes:
        skeleton: Keypoint types and limbs of a person.
        stride: Px of the input image per cell of the features.
        coarser: Cells of the features per cell of the fields, along an axis.
        side: Side of the square of target cells around a keypoint, cells of the fields.
        threshold: Keypoint responses up to this are ignored.
        limb_threshold: Limb responses up to this are ignored.
        seed_threshold: Confidence above which a pose can start.
        clip: Whether confidence above 1 counts as 1.
        floor: Part of a limb's response that does not depend on the confidence of the keypoint that it leads to.
        seeds: ``peaks`` of the confidence (whole px), or the positions that ``cells`` predict.
        distance: Unit of reach and softness: the predicted ``spread`` of a vector, or the ``scale`` of the keypoint.
        reach: Largest distance from a keypoint to the predicted end of a limb's cell, units along each axis.
        softness: Distance at which the score of a limb's cell falls to 1/e, units.
        softness_range: Bounds of that distance, cells of the fields.
        connection: ``max``: only the best cell of a limb; ``blend``: the mean of the two best.
        connection_threshold: Lowest score of a connection.
        reverse: Largest error of the reverse direction, sum along both axes, cells of the fields.
        complete: Add missing keypoints at the ends of weak limbs, marked as inferred.
        suppressed_occupy: Whether a suppressed keypoint still suppresses keypoints of other poses.
        score: Score of a person from the confidence of its keypoints. ``mean_square``: over all K. ``best_mean``: 0.9
            of the mean square plus 0.1 of the best. ``weighted``: mean with threefold weight of the best three.
        score_threshold: People with a lower score are dropped.

    Raises:
        InputError: An option is out of its range, or the skeleton has no limbs.
    """

    CONFIDENCE: ClassVar[type[Confidence]] = Confidence

    skeleton: Skeleton
    _: KW_ONLY
    stride: int = 4
    coarser: int = 1
    side: int = 4
    threshold: float = 0.1
    limb_threshold: float = 0.1
    seed_threshold: float = 0.2
    clip: bool = True
    floor: float = 0.01
    seeds: str = "peaks"
    distance: str = "spread"
    reach: float = 2.0
    softness: float = 3.0
    softness_range: Sequence[float] = (0.5, 100.0)
    connection: str = "max"
    connection_threshold: float = 0.1
    reverse: float = 1.0
    complete: bool = True
    suppressed_occupy: bool = True
    score: str = "mean_square"
    score_threshold: float = 0.0

    def __post_init__(self) -> None:
        """Convert the range to a tuple and check the options."""
        require_limbs(self.skeleton)
        require_choices(self, _CHOICES)
        require_ranges(
            self,
            counts=("stride", "coarser", "side"),
            positive=("threshold", "limb_threshold", "seed_threshold", "reach", "softness", "connection_threshold"),
            not_negative=("floor", "reverse", "score_threshold"),
        )
        object.__setattr__(self, "softness_range", tuple(self.softness_range))
        if len(self.softness_range) != 2 or not 0 < self.softness_range[0] <= self.softness_range[1]:
            raise InputError(
                f"decoder.softness_range: must be two ascending numbers above 0, got {list(self.softness_range)}"
            )

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """Fields of the maps."""
        return fields(self.skeleton, self.stride * self.coarser)

    @cached_property
    def walks(self) -> Walks:
        """The limbs in both directions."""
        return Walks.of(self.skeleton)

    @torch.no_grad()
    def __call__(self, maps: PifpafMaps) -> list[Poses]:
        """Decode a batch.

        Args:
            maps: Maps of any floating type, on any device.

        Returns:
            The people of each image, px, input image. The result for an image does not depend on the other images.

        Raises:
            InputError: The maps do not fit the skeleton.
        """
        check_maps(maps, self.fields, "pifpaf")
        arrays = [field.detach().float().cpu().numpy() for field in maps]
        return [self._decode(PifpafMaps._make(image)) for image in zip(*arrays, strict=True)]

    def _decode(self, maps: Arrays) -> Poses:
        """Decode one image."""
        height, width = (side * self.stride * self.coarser for side in maps.heatmaps.shape[1:])
        predictions = self._predictions(maps)
        confidence = self.CONFIDENCE(
            predictions,
            num_types=self.skeleton.num_keypoints,
            image_size=(height, width),
            cells=self.side**2,
            clip=self.clip,
        )
        responding = np.flatnonzero(maps.limb_heatmaps > self.limb_threshold)
        limb, cell = np.divmod(responding, maps.limb_heatmaps[0].size)
        walks, cell = np.concatenate([2 * limb, 2 * limb + 1]), np.tile(cell, 2)
        sources = self._limb_ends(maps, walks, cell)
        targets = np.roll(sources, len(limb), axis=1)  # the second half has the opposite direction
        links = self._links(maps, confidence, walks, cell, sources, targets, self.floor)
        links = links.chosen(np.flatnonzero(links.scores > self.limb_threshold))
        poses = self._grown(self._seeds(predictions, confidence), links, confidence, (height, width))
        inferred = poses.values == 0
        if self.complete and inferred.any():
            poses = self._completed(poses, maps, confidence)
        return self._suppressed(*poses, inferred, confidence, (height, width))

    @staticmethod
    def together(squares: np.ndarray) -> np.ndarray:
        """Return the indices of the seeds that grow in one batch: the first seed of each square.

        The choice does not affect the poses, if it contains the first seed.
        """
        return np.sort(np.unique(squares, return_index=True)[1])

    def _seeds(self, predictions: Predictions, confidence: Confidence) -> Seeds:
        """Return the keypoints at which poses can start."""
        if self.seeds == "cells":
            return cells(predictions, confidence, self.seed_threshold)
        return peaks(confidence, self.seed_threshold)

    def _grown(self, seeds: Seeds, links: Links, confidence: Confidence, image_size: tuple[int, int]) -> Grown:
        """Grow a pose from each seed that does not lie in the pose of a better seed.

        All seeds race. Those that drop out grow later, if they lie in no grown pose.
        """
        types = self.skeleton.num_keypoints
        if self.connection == "max":
            links = links.distinct()
        growth = self._growth(
            SortedLinks(links, len(self.walks.sources)),
            self.connection_threshold,
            self.reverse * self.stride * self.coarser,
        )
        owners = Occupancy(types, image_size, len(seeds.types))
        kept = owners.occupy_in_turn(seeds, seed_radii(confidence))
        if self.seeds == "peaks":
            seeds = seeds.chosen(kept)
        places = pixels(seeds.xy, image_size)
        square = owners.holders(owners.places(seeds.types, seeds.xy))
        grown: dict[int, tuple[np.ndarray, ...]] = {}
        accepted, unknown = _accepted(grown, len(square))
        while unknown:
            new = np.array(unknown)
            new = new[self.together(square[new])]
            race = Race(owners, square[new])
            poses = growth.grow(_started(seeds.chosen(new), types), None if grown else race)  # few remain after a race
            poses = Grown(poses.xy[race.running], poses.values[race.running])
            occupied = _occupied(poses, _radii(poses, confidence) / 2, image_size)
            outside = [
                ~_inside(places, low[:, seeds.types], high[:, seeds.types]) for low, high in zip(*occupied, strict=True)
            ]
            grown.update(zip(new[race.running].tolist(), zip(*poses, outside, strict=True), strict=True))
            accepted, unknown = _accepted(grown, len(square))
        return Grown(
            np.array([grown[seed][0] for seed in accepted]).reshape(-1, types, 2),
            np.array([grown[seed][1] for seed in accepted]).reshape(-1, types),
        )

    def _completed(self, poses: Grown, maps: Arrays, confidence: Confidence) -> Grown:
        """Grow poses along weak limbs; the added keypoints have a low confidence."""
        responses = maps.limb_heatmaps.reshape(self.skeleton.num_limbs, -1)

        @cache
        def cells_of(limb: int) -> np.ndarray:
            return np.flatnonzero(responses[limb] > _COMPLETION_THRESHOLD)

        def starts(walk: int) -> tuple[np.ndarray, np.ndarray]:
            cell = cells_of(walk // 2)
            walks = np.full(len(cell), walk)
            sources = self._limb_ends(maps, walks, cell)
            return sources, self.reach * self._units(maps, confidence, walks, cell, sources)

        def some_links(walks: np.ndarray, some: np.ndarray) -> Links:
            cell = np.empty_like(some)
            for limb in np.unique(walks // 2).tolist():
                own = walks // 2 == limb
                cell[own] = cells_of(limb)[some[own]]
            sources, targets = (self._limb_ends(maps, one, cell) for one in (walks, walks ^ 1))
            return self._links(maps, confidence, walks, cell, sources, targets, _COMPLETION_FLOOR)

        full = self._growth(SearchedLinks(starts, some_links), _COMPLETION_LEAST, None).grow(poses)
        gained = np.minimum(full.values, _COMPLETED)
        return Grown(full.xy, np.where(poses.values > 0, poses.values, gained))

    def _predictions(self, maps: Arrays) -> Predictions:
        """Return the predictions of the cells that respond to keypoints."""
        responding = np.flatnonzero(maps.heatmaps > self.threshold)
        kind, cell = np.divmod(responding, maps.heatmaps[0].size)
        responses, scales = (
            finite(field.reshape(-1).take(responding)).astype(np.float64) for field in (maps.heatmaps, maps.scales)
        )
        return Predictions(kind, self._places(maps.vectors, kind, cell), responses, scales)

    def _links(
        self,
        maps: Arrays,
        confidence: Confidence,
        walks: np.ndarray,
        cell: np.ndarray,
        sources: np.ndarray,
        targets: np.ndarray,
        floor: float,
    ) -> Links:
        """Return the links that ``(N,)`` flat cells on limbs predict, for ``(N,)`` directed limbs and their ends."""
        responses = finite(maps.limb_heatmaps.reshape(-1).take(walks // 2 * maps.limb_heatmaps[0].size + cell))
        scores = responses * (floor + (1 - floor) * confidence.at(self.walks.targets[walks], targets))
        units = self._units(maps, confidence, walks, cell, sources)
        decays = np.clip(self.softness * units, *(self.stride * self.coarser * np.array(self.softness_range)))
        return Links(walks, cell, sources, targets, self.reach * units, decays, scores)

    def _units(
        self, maps: Arrays, confidence: Confidence, walks: np.ndarray, cell: np.ndarray, sources: np.ndarray
    ) -> np.ndarray:
        """Return the ``(N,)`` unit of reach and softness of cells on limbs, px."""
        if self.distance == "scale":
            scales = confidence.scales_at(self.walks.sources[walks], sources)
            return np.asarray(np.maximum(_LEAST_SCALE, scales))
        spreads = maps.limb_spreads.reshape(-1).take(self.walks.ends[walks] * maps.limb_spreads[0].size + cell)
        logs = np.clip(np.nan_to_num(spreads), -_LARGEST_SPREAD, _LARGEST_SPREAD)
        return np.asarray(np.exp(logs.astype(np.float64)))

    def _limb_ends(self, maps: Arrays, walks: np.ndarray, cell: np.ndarray) -> np.ndarray:
        """Return the ``(2, N)`` starts of directed limbs that cells predict, px of the input image."""
        return self._places(maps.limb_vectors, self.walks.ends[walks], cell)

    def _growth(self, table: LinkTable, least: float, reverse: float | None) -> Growth:
        return Growth(self.walks, table, least, reverse, self.connection == "blend")

    def _places(self, vectors: np.ndarray, item: np.ndarray, cell: np.ndarray) -> np.ndarray:
        """Return the ``(2, N)`` ends of the vectors of items at flat cells, px of the input image."""
        origins = cells_to_image(np.stack(np.divmod(cell, vectors.shape[2])[::-1]), self.stride * self.coarser)
        first = 2 * item * vectors[0].size + cell
        return np.asarray(origins + finite(vectors.reshape(-1).take(np.stack([first, first + vectors[0].size]))))

    def _suppressed(
        self,
        xy: np.ndarray,
        values: np.ndarray,
        inferred: np.ndarray,
        confidence: Confidence,
        image_size: tuple[int, int],
    ) -> Poses:
        """Remove keypoints that better poses have, and people without remaining keypoints."""
        order = np.argsort(-self._scores(values), kind="stable")
        xy, values, inferred = xy[order], values[order], inferred[order]
        poses = Grown(xy, values)
        places = pixels(xy.swapaxes(1, 2), image_size)
        low, high = _occupied(poses, _radii(poses, confidence), image_size)
        for rank, own in enumerate(values):
            suppressed = _inside(places[rank], low[:rank], high[:rank]).any(axis=0)
            own[suppressed] = 0
            if not self.suppressed_occupy:
                high[rank][:, suppressed] = -1
        scores = self._scores(values)
        order = np.argsort(-scores, kind="stable")
        order = order[(values[order] > 0).any(axis=1) & (scores[order] >= self.score_threshold)]
        keypoints = np.concatenate([xy, values[..., None]], axis=2)[order].astype(np.float32)
        found = keypoints[..., 2] > 0
        return Poses(keypoints * found[..., None], scores[order].astype(np.float32), inferred[order] & found)

    def _scores(self, values: np.ndarray) -> np.ndarray:
        """Return the ``(N,)`` scores of people."""
        if self.score == "weighted":
            weights = np.ones(values.shape[1])
            weights[:_BEST] = _BEST
            return np.asarray(np.sort(values, axis=1)[:, ::-1] @ weights / weights.sum())
        mean = np.square(values).mean(axis=1)
        if self.score == "best_mean":
            return np.asarray(0.1 * values.max(axis=1) + 0.9 * mean)
        return np.asarray(mean)


def seed_radii(confidence: Confidence) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Return a function of types and positions of seeds that returns half the sides of their squares, px."""
    return lambda types, xy: np.maximum(_LEAST_SEED, confidence.scales_at(types, xy)) / 2


def _accepted(grown: dict[int, tuple[np.ndarray, ...]], count: int) -> tuple[list[int], list[int]]:
    """Visit seeds in order; accept a seed that lies in no accepted pose.

    Args:
        grown: Poses by seed; the last array of each, ``(count,)`` bool, marks the seeds outside of the pose.
        count: Number of seeds.

    Returns:
        The accepted seeds that have grown, and those that have not. The choice is final if all have grown.
    """
    free = np.ones(count, dtype=bool)
    accepted, unknown = [], []
    for seed in range(count):
        if free[seed] and seed in grown:
            accepted.append(seed)
            free &= grown[seed][-1]
        elif free[seed]:
            unknown.append(seed)
    return accepted, unknown


def _started(seeds: Seeds, num_types: int) -> Grown:
    """Return poses that consist only of their seeds."""
    count = len(seeds.types)
    poses = Grown(np.zeros((count, num_types, 2)), np.zeros((count, num_types)))
    poses.xy[np.arange(count), seeds.types] = seeds.xy.T
    poses.values[np.arange(count), seeds.types] = seeds.values
    return poses


def _occupied(poses: Grown, radii: np.ndarray, image_size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the ``(B, 2, K)`` first and last x, y of keypoints' squares; the last are -1 for missing keypoints."""
    low, high = squares(poses.xy.swapaxes(1, 2), radii, image_size)
    return low, np.where(poses.values[:, None] > 0, high, -1)


def _inside(places: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Mark, ``(..., M)`` bool, the ``(2, M)`` pixels that lie in ``(..., 2, M)`` boxes."""
    inside = (low <= places) & (places <= high)
    return np.asarray(inside[..., 0, :] & inside[..., 1, :])


def _radii(poses: Grown, confidence: Confidence) -> np.ndarray:
    """Return the ``(B, K)`` scales at the keypoints of poses, px; 0 for missing keypoints."""
    radii = np.zeros(poses.values.shape)
    pose, kind = np.nonzero(poses.values)
    radii[pose, kind] = confidence.scales_at(kind, poses.xy[pose, kind].T)
    return radii
