"""Decoder by the rules of Simple Pose's public program, for its weights and for comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F

from gog_pose.assembly.lines import Lines, all_lines, choose_one_to_one
from gog_pose.assembly.listed import group_listed
from gog_pose.maps.fields import Field, check_maps
from gog_pose.maps.peaks import finite
from gog_pose.methods.options import require_ranges
from gog_pose.methods.simple_pose.body import body_of
from gog_pose.methods.simple_pose.records import SimplePoseMaps, fields
from gog_pose.poses import Poses
from gog_pose.skeleton import Skeleton
from gog_pose.system.options import Share, require

_RADIUS = 2  # px from a peak to the side of its box
_SAMPLES = 20  # largest number of px that are read on a limb
_LONG = 0.5  # part of the height; longer limbs lose strength
_FEWEST = 2  # smallest number of points of a person


@dataclass(frozen=True)
class OfficialDecoder:
    """Decodes maps like the public program: all maps are enlarged bicubically to the size of the input.

    The program enlarges them to the size of the original image, so that its windows depend on that size; here they are
    px of the network input. The program's quirks are included: the shift of a peak towards the centroid of its box has
    x and y exchanged, its confidence is the mean of the box, and a limb whose second end a person has never adds its
    first end.

    Attributes:
        skeleton: Keypoints and limbs; their order is the order of grouping.
        stride: Px of the input image per cell, R.
        body: The points and limbs that have maps (``body_of``).
        threshold: Lowest response of a peak.
        limb_threshold: A pixel on a limb responds if its response is higher.
        consistency: Smallest part of the pixels of a limb that must respond.
        length_ratio: A limb must be shorter than this many times the longest limb of the person.
        merge_tolerance: A limb joins two people only if its strength is at least this part of their weakest limb's.
        both_ends: Allow limbs to add their first end, which the program does not.
        person_threshold: People whose responses and strengths sum to less than this per point are dropped.

    Raises:
        InputError: An option is out of its range, or the skeleton has no such body.
    """

    skeleton: Skeleton
    _: KW_ONLY
    stride: int = 4
    body: str = "neck"
    threshold: float = 0.1
    limb_threshold: float = 0.1
    consistency: float = 0.8
    length_ratio: float = 16.0
    merge_tolerance: float = 0.7
    both_ends: bool = False
    person_threshold: float = 0.45

    def __post_init__(self) -> None:
        """Check the options."""
        body_of(self.skeleton, self.body)
        require_ranges(
            self,
            counts=("stride",),
            positive=("threshold", "length_ratio"),
            not_negative=("limb_threshold", "merge_tolerance", "person_threshold"),
        )
        require("decoder.consistency", self.consistency, Share)

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """Fields of the maps."""
        return fields(self.skeleton, self.stride, self.body)

    @torch.no_grad()
    def __call__(self, maps: SimplePoseMaps) -> list[Poses]:
        """Decode a batch.

        Args:
            maps: Maps of any floating type, on any device.

        Returns:
            The people of each image, px, input image. The score is 1 - 1 / (sum of responses and strengths).

        Raises:
            InputError: The maps do not fit the body.
        """
        check_maps(maps, self.fields, "simple_pose")
        return [
            self._group(enlarged(heatmaps, self.stride), enlarged(limbs, self.stride))
            for heatmaps, limbs in zip(maps.heatmaps, maps.limbs, strict=True)
        ]

    def _group(self, heatmaps: np.ndarray, maps: np.ndarray) -> Poses:
        """Return the people of one image from ``(K, H, W)`` heatmaps and ``(L, H, W)`` limb maps."""
        xy, responses = box_peaks(heatmaps, self.threshold)
        limbs = body_of(self.skeleton, self.body).limbs
        lines = pixel_lines(
            all_lines(xy, responses, limbs),
            xy,
            limbs,
            maps,
            threshold=self.limb_threshold,
            consistency=self.consistency,
        )
        rows = group_listed(
            choose_one_to_one(lines, xy, responses, limbs),
            responses,
            limbs,
            length_ratio=self.length_ratio,
            merge_tolerance=self.merge_tolerance,
            both_ends=self.both_ends,
        )
        count = (rows.people >= 0).sum(axis=1)
        scores = (1 - 1 / rows.totals).astype(np.float32)
        order = np.argsort(-scores, kind="stable")
        kept = (count >= _FEWEST) & (rows.totals >= self.person_threshold * count)
        order = order[kept[order]]
        people = rows.people[order, : self.skeleton.num_keypoints]
        kinds = np.arange(people.shape[1])
        keypoints = np.concatenate([xy[kinds, people], responses[kinds, people, None]], axis=2)
        return Poses(np.where(people[..., None] >= 0, keypoints, 0).astype(np.float32), scores[order])


def enlarged(maps: torch.Tensor, stride: int) -> np.ndarray:
    """Interpolate ``(C, h, w)`` maps bicubically to the size of the network input, ``(C, R h, R w)``."""
    known = torch.from_numpy(finite(maps.float().cpu().numpy()))
    if not known.numel():
        return np.zeros((known.shape[0], stride * known.shape[1], stride * known.shape[2]), dtype=np.float32)
    return np.asarray(F.interpolate(known[None], scale_factor=stride, mode="bicubic", align_corners=False)[0])


def box_peaks(heatmaps: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Find the pixels that no neighbor exceeds, and move each towards the centroid of the 5 x 5 box around it.

    Of equal neighbors, only the first in reading order is a peak. The program returns all of them; ground-truth maps
    have two for each neck halfway between two pixels, predicted maps have none.

    Args:
        heatmaps: ``(K, H, W)`` px.
        threshold: Lowest response of a peak.

    Returns:
        ``(K, n, 2)`` positions, px, in reading order of the pixels, and ``(K, n)`` means of the boxes, 0 = no peak. A
        peak whose box extends beyond the border does not move and has the response of its pixel.
    """
    types, height, width = heatmaps.shape
    highest = F.max_pool2d(torch.from_numpy(heatmaps), 3, stride=1, padding=1).numpy() if heatmaps.size else heatmaps
    around = np.pad(heatmaps, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    before = np.maximum(around[:, 1:-1, :-2], around[:, :-2, :-2])  # the neighbors before it in reading order
    before = np.maximum(before, np.maximum(around[:, :-2, 1:-1], around[:, :-2, 2:]))
    kind, y, x = np.nonzero((heatmaps == highest) & (heatmaps > before) & (heatmaps >= threshold))
    rank = np.arange(len(kind)) - np.searchsorted(kind, kind)
    steps = np.arange(-_RADIUS, _RADIUS + 1)
    whole = (np.minimum(x, y) >= _RADIUS) & (x + _RADIUS < width) & (y + _RADIUS < height)
    kinds, rows, columns = kind[whole], y[whole], x[whole]
    box = heatmaps[kinds[:, None, None], rows[:, None, None] + steps[:, None], columns[:, None, None] + steps]
    box = box.astype(np.float64)

    places, responses = np.stack([x, y], axis=1).astype(np.float64), heatmaps[kind, y, x].astype(np.float64)
    total = box.sum(axis=(1, 2))
    places[whole] += (
        np.stack([(box.sum(axis=2) * steps).sum(axis=1), (box.sum(axis=1) * steps).sum(axis=1)], 1) / (total[:, None])
    )
    responses[whole] = total / len(steps) ** 2
    most = int(rank.max(initial=-1)) + 1
    xy, means = np.zeros((types, most, 2)), np.zeros((types, most))
    xy[kind, rank], means[kind, rank] = places, responses
    return xy, means


def pixel_lines(
    lines: Lines,
    xy: np.ndarray,
    limbs: Sequence[Sequence[int]],
    maps: np.ndarray,
    *,
    threshold: float,
    consistency: float,
) -> Lines:
    """Score pairs of peaks by the nearest pixels on the line between them, one per px of length but at most 20.

    Args:
        lines: Pairs of peaks.
        xy: ``(K, n, 2)`` peaks, px.
        limbs: L pairs of types.
        maps: ``(L, H, W)`` limb maps, px.
        threshold: A pixel responds if its response is higher.
        consistency: Smallest part of the pixels that must respond.

    Returns:
        The lines with enough responding pixels and a positive strength, which is the mean minus a penalty for limbs
        longer than half the height.
    """
    starts, ends = np.array(limbs, dtype=np.intp).T
    first = xy[starts[lines.limb], lines.start]
    vectors = xy[ends[lines.limb], lines.end] - first
    count = np.minimum(np.rint(lines.length + 1), _SAMPLES).astype(np.intp)
    step = np.arange(_SAMPLES)
    used = step < count[:, None]
    parts = step * used / np.maximum(count - 1, 1)[:, None]
    x, y = np.moveaxis(np.rint(first[:, None] + parts[..., None] * vectors[:, None]).astype(np.intp), -1, 0)
    values = np.where(used, maps[lines.limb[:, None], y, x], 0).astype(np.float64)
    strength = values.sum(axis=1) / count + np.minimum(_LONG * maps.shape[1] / lines.length - 1, 0)
    kept = ((values > threshold).sum(axis=1) >= consistency * count) & (strength > 0)
    return lines._replace(strength=strength).chosen(kept)
