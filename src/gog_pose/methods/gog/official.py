"""Decoder by the rules of the authors' public program, for comparison and for the checkpoints published with it.

The paper refers to its source code for details, and that differs from ``GogDecoder`` in the candidates and in the
grouping of limbs. This module is a second, independent decoder with the program's rules, including its quirks: two
people may share a keypoint, merged people may get a keypoint that nobody detected, keypoints in the first row or column
of pixels are lost, and single keypoints are not people. Two errors of the program are corrected: the index of a pixel
is divided as an integer, and keypoints are identified by integers (float32 confuses keypoints in images of a
megapixel).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from gog_pose.assembly.limbs import follow_offsets
from gog_pose.maps.fields import Field, check_maps
from gog_pose.maps.peaks import Peaks
from gog_pose.methods.gog.records import PoseMaps, fields
from gog_pose.methods.options import require_ranges
from gog_pose.poses import Poses
from gog_pose.skeleton import Skeleton

_NOBODY = -1  # value of all fields of a keypoint that a person lacks


@dataclass(frozen=True)
class OfficialDecoder:
    """Decodes maps by the rules of the public program; same interface as ``GogDecoder``.

    Attributes:
        skeleton: Keypoint types and limbs of a person; the order of the limbs is the order of grouping.
        stride: Px of the input image per cell, R.
        topk: Candidates kept per keypoint type, k.
        threshold: Lowest response of a keypoint candidate.
        gate: Upper bound, exclusive, of the distance from a guiding offset's end to its target, px, input image.
        min_length: Lower bound of the limb length L in the score, px, input image.
        person_threshold: People whose mean response over their keypoints is lower are dropped.

    Raises:
        InputError: An option is out of its range.
    """

    skeleton: Skeleton
    _: KW_ONLY
    stride: int = 4
    topk: int = 32
    threshold: float = 0.04
    gate: float = 40.0
    min_length: float = 0.5
    person_threshold: float = 0.04

    def __post_init__(self) -> None:
        """Check the options."""
        require_ranges(self, counts=("stride", "topk"), positive=("threshold", "min_length"))

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """Fields of the maps."""
        return fields(self.skeleton, self.stride)

    def __call__(self, maps: PoseMaps) -> list[Poses]:
        """Decode a batch.

        Args:
            maps: ``(B, K, h, w)`` heatmaps and ``(B, 2L, h, w)`` offsets, on any device, of any floating type.

        Returns:
            The people of each image, px, input image; scores are the sum of the responses / K.

        Raises:
            InputError: The maps do not fit the skeleton.
        """
        check_maps(maps, self.fields, "gog")
        if not maps.heatmaps.numel():
            return [_finish(_People.nobody(self.skeleton.num_keypoints), 0.0) for _ in maps.heatmaps]
        with torch.no_grad():
            peaks = _find_candidates(maps.heatmaps, self.stride, self.topk)
            guides = follow_offsets(peaks, maps.offsets, self.skeleton.limbs, self.stride)
        width = self.stride * maps.heatmaps.shape[3]
        tables = (table.cpu().numpy() for table in (*peaks, guides))
        return [self._group(xy, responses, guide, width) for xy, responses, guide in zip(*tables, strict=True)]

    def _group(self, xy: np.ndarray, responses: np.ndarray, guides: np.ndarray, width: int) -> Poses:
        """Collect the limbs of one image, ``width`` px wide, type by type, and assemble them."""
        people = _People.nobody(self.skeleton.num_keypoints)
        for limb, guide in zip(self.skeleton.limbs, guides, strict=True):
            start, end = (_Candidates.of_type(xy[kind], responses[kind], self.threshold, width) for kind in limb)
            people = _assemble(people, limb, _collect_limbs(start, end, guide, self.gate, self.min_length))
        return _finish(people, self.person_threshold)


class _Candidates(NamedTuple):
    """n keypoint candidates of one type in one image.

    Attributes:
        xyr: ``(n, 3)`` float32 x, y (px, input image) and response.
        ids: ``(n,)`` int64 index of the pixel in the image. Merging two people keeps the larger one.
        usable: ``(n,)`` True where the response reaches the threshold.
    """

    xyr: np.ndarray
    ids: np.ndarray
    usable: np.ndarray

    @classmethod
    def of_type(cls, xy: np.ndarray, responses: np.ndarray, threshold: float, width: int) -> _Candidates:
        """Build candidates from ``(n, 2)`` pixels of an image of this width and their ``(n,)`` responses."""
        columns, rows = xy.astype(np.int64).T
        return cls(np.concatenate([xy, responses[:, None]], axis=1), rows * width + columns, responses >= threshold)


class _Rows(NamedTuple):
    """M candidate limbs of one type, best score first.

    Attributes:
        xyr: ``(M, 2, 3)`` float32 x, y, response of J_from and J_to.
        ids: ``(M, 2)`` int64 ids of these keypoints; every J_to occurs once.
        scores: ``(M,)`` float32.
    """

    xyr: np.ndarray
    ids: np.ndarray
    scores: np.ndarray


class _People(NamedTuple):
    """M people under construction; every field of a keypoint that a person lacks is -1.

    Attributes:
        xyr: ``(M, K, 3)`` float32 x, y, response.
        limb_scores: ``(M, K)`` float32 best score of the limbs at each keypoint.
        ids: ``(M, K)`` int64 ids of the keypoints.
    """

    xyr: np.ndarray
    limb_scores: np.ndarray
    ids: np.ndarray

    @classmethod
    def nobody(cls, types: int, count: int = 0) -> _People:
        """Return ``count`` people without any keypoint."""
        return cls(
            np.full((count, types, 3), _NOBODY, dtype=np.float32),
            np.full((count, types), _NOBODY, dtype=np.float32),
            np.full((count, types), _NOBODY, dtype=np.int64),
        )

    def keep(self, rows: np.ndarray) -> _People:
        """Return the people that a mask or an array of indices selects."""
        return _People(*(field[rows] for field in self))

    def followed_by(self, others: _People) -> _People:
        """Return these people followed by others."""
        return _People(*(np.concatenate(pair) for pair in zip(self, others, strict=True)))


def _find_candidates(heatmaps: torch.Tensor, stride: int, topk: int) -> Peaks:
    """Return the k highest pixels that no neighbor exceeds, including all of several equal neighbors."""
    finite = heatmaps.float().nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
    image = F.interpolate(finite, scale_factor=stride, mode="bicubic", align_corners=False)
    width = image.shape[3]
    peaks = image * (F.max_pool2d(image, 3, stride=1, padding=1) == image)
    responses, pixels = peaks.flatten(2).topk(min(topk, image[0, 0].numel()))
    return Peaks(torch.stack([pixels % width, pixels // width], dim=-1).float(), responses)


def _collect_limbs(start: _Candidates, end: _Candidates, guides: np.ndarray, gate: float, min_length: float) -> _Rows:
    """Pair each start with the end nearest to its J_guid, then keep the best start of each end.

    Args:
        start: Candidates of the limb's start type.
        end: Candidates of the limb's end type.
        guides: ``(n, 2)`` J_guid of the starts, px, input image.
        gate: Pairs with an error dl of at least this are not limbs, px.
        min_length: Lower bound of L, px.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        errors = np.linalg.norm(guides[:, None] - end.xyr[:, :2], axis=2)
        errors = np.where(end.usable & start.usable[:, None], errors, np.inf)
        partner = errors.argmin(axis=1)
        error, target = errors.min(axis=1), end.xyr[partner]
        length = np.maximum(np.linalg.norm(start.xyr[:, :2] - target[:, :2], axis=1), np.float32(min_length))
        scores = start.xyr[:, 2] * target[:, 2] * np.exp(-error / length)

    off_the_border = (start.xyr[:, :2] > 0).all(axis=1) & (target[:, :2] > 0).all(axis=1)
    rows = np.flatnonzero((error < gate) & off_the_border)
    rows = rows[np.argsort(-scores[rows], kind="stable")]
    rows = rows[np.sort(np.unique(partner[rows], return_index=True)[1])]
    return _Rows(
        np.stack([start.xyr[rows], target[rows]], axis=1),
        np.stack([start.ids[rows], end.ids[partner[rows]]], axis=1),
        scores[rows],
    )


def _assemble(people: _People, limb: Sequence[int], rows: _Rows) -> _People:
    """Add the limbs of one type to the people in four steps: raise scores, extend, merge, and create people."""
    ends = np.asarray(limb)
    shared = (people.ids[:, None, ends] == rows.ids).sum(axis=2)  # (people, rows): how many ends the person has
    better = (rows.scores[:, None] > people.limb_scores[:, None, ends]).any(axis=2)
    # Raise the score: the person has both ends of the limb.
    person, row = np.nonzero((shared == 2) & better)
    if len(person):
        people.limb_scores[np.ix_(person, ends)] = np.maximum(
            people.limb_scores[np.ix_(person, ends)], rows.scores[row, None]
        )
        shared[shared == 2] = -1
    # Extend: the person has one end. Both ends are overwritten; of two limbs the last one remains.
    person, row = np.nonzero((shared == 1) & better)
    if len(person):
        place = np.ix_(person, ends)
        limb_scores = np.maximum(people.limb_scores[place], rows.scores[row, None])
        people.xyr[place], people.ids[place], people.limb_scores[place] = rows.xyr[row], rows.ids[row], limb_scores
        shared[shared == 1] = -1
    if len(people.ids) > 1:
        people = _merge(people)
    # Create people from limbs of which nobody has an end.
    new = np.flatnonzero(shared.sum(axis=0) == 0)
    founded = _People.nobody(people.ids.shape[1], len(new))
    founded.xyr[:, ends], founded.ids[:, ends] = rows.xyr[new], rows.ids[new]
    founded.limb_scores[:, ends] = rows.scores[new, None]
    return people.followed_by(founded)


def _merge(people: _People) -> _People:
    """Merge every two people that share exactly two keypoints into the first, by the maximum of each number.

    The same applies to ids: of two keypoints of a type, the merged person has the id of the lower one in the image. Of
    several partners of one person, only the last is merged, but all are removed.
    """
    same = (people.ids[:, None] == people.ids) & (people.ids != _NOBODY)
    first, second = np.nonzero(np.triu(same.sum(axis=2) == 2, k=1))
    if not len(first):
        return people
    for field in people:
        field[first] = np.maximum(field[first], field[second])
    kept = np.ones(len(people.ids), dtype=bool)
    kept[second] = False
    return people.keep(kept)


def _finish(people: _People, person_threshold: float) -> Poses:
    """Drop weak people, set missing keypoints to 0, and sort by score."""
    responses = people.xyr[:, :, 2]
    found = people.ids != _NOBODY
    means = np.where(found, responses, 0).sum(axis=1) / np.maximum(found.sum(axis=1), 1)
    kept = means >= person_threshold
    keypoints = np.where(found[..., None], people.xyr, np.float32(0))[kept]
    scores = keypoints[:, :, 2].sum(axis=1) / np.float32(keypoints.shape[1])
    order = np.argsort(-scores, kind="stable")
    return Poses(keypoints[order], scores[order])
