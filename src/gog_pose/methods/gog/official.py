"""The rules of the authors' public program, for comparison and for checkpoints that were published with it.

The paper leaves the details to its source code, and that differs from ``GogDecoder`` in what a candidate is and in how
limbs make people. This module is a second, independent decoder by those rules, quirks included: two people may share a
keypoint, two that are merged may get a keypoint nobody detected, keypoints in the first row or column of pixels are
lost and single keypoints are no person. Two things are as the program means them, not as it does them: the index of a
pixel is divided as an integer, and a keypoint is known by an integer, too (the program's float32 confuses keypoints in
images of a megapixel).
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
        skeleton: What a person is made of; the order of the limbs is the order of grouping.
        stride: Px of the input image per cell, R.
        topk: Candidates kept of each keypoint type, k.
        threshold: Lowest response of a keypoint candidate.
        gate: A guiding offset may miss its target by less than this, px, input image.
        min_length: Lower bound of the limb length L in the score, px, input image.
        person_threshold: People whose mean response over the keypoints found is lower are dropped.

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
    """Keypoint candidates of one type in one image, n of them.

    Attributes:
        xyr: ``(n, 3)`` float32 x, y (px, input image) and response.
        ids: ``(n,)`` int64, the index of the pixel in the image. Merging two people takes the larger one.
        usable: ``(n,)`` True where the response reaches the threshold.
    """

    xyr: np.ndarray
    ids: np.ndarray
    usable: np.ndarray

    @classmethod
    def of_type(cls, xy: np.ndarray, responses: np.ndarray, threshold: float, width: int) -> _Candidates:
        """Name ``(n, 2)`` pixels of an image of this width, with ``(n,)`` responses."""
        columns, rows = xy.astype(np.int64).T
        return cls(np.concatenate([xy, responses[:, None]], axis=1), rows * width + columns, responses >= threshold)


class _Rows(NamedTuple):
    """Candidate limbs of one type, M of them, best score first.

    Attributes:
        xyr: ``(M, 2, 3)`` float32 x, y, response of J_from and J_to.
        ids: ``(M, 2)`` int64 which keypoints they are; every J_to once.
        scores: ``(M,)`` float32.
    """

    xyr: np.ndarray
    ids: np.ndarray
    scores: np.ndarray


class _People(NamedTuple):
    """M people under construction; every field of a keypoint that a person lacks is -1.

    Attributes:
        xyr: ``(M, K, 3)`` float32 x, y, response.
        limb_scores: ``(M, K)`` float32, the best score of a limb that ended here.
        ids: ``(M, K)`` int64.
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
        """Return the people that a mask or a list of indices names."""
        return _People(*(field[rows] for field in self))

    def followed_by(self, others: _People) -> _People:
        """Return these people and others behind them."""
        return _People(*(np.concatenate(pair) for pair in zip(self, others, strict=True)))


def _find_candidates(heatmaps: torch.Tensor, stride: int, topk: int) -> Peaks:
    """Take the k highest pixels that no neighbor exceeds; equal neighbors are all taken."""
    finite = heatmaps.float().nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
    image = F.interpolate(finite, scale_factor=stride, mode="bicubic", align_corners=False)
    width = image.shape[3]
    peaks = image * (F.max_pool2d(image, 3, stride=1, padding=1) == image)
    responses, pixels = peaks.flatten(2).topk(min(topk, image[0, 0].numel()))
    return Peaks(torch.stack([pixels % width, pixels // width], dim=-1).float(), responses)


def _collect_limbs(start: _Candidates, end: _Candidates, guides: np.ndarray, gate: float, min_length: float) -> _Rows:
    """Pair each start with the one end that lies nearest to where its offset leads, and each end with its best start.

    Args:
        start: Candidates of the type that the limb starts at.
        end: Of the type that it ends at.
        guides: ``(n, 2)`` J_guid of the starts, px, input image.
        gate: Larger errors dl are no limb, px.
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
    """Add the limbs of one type to the people: raise, extend, merge and found, in this order."""
    ends = np.asarray(limb)
    shared = (people.ids[:, None, ends] == rows.ids).sum(axis=2)  # (people, rows) of the two ends
    better = (rows.scores[:, None] > people.limb_scores[:, None, ends]).any(axis=2)
    # Raise: the person has the limb's both ends.
    person, row = np.nonzero((shared == 2) & better)
    if len(person):
        people.limb_scores[np.ix_(person, ends)] = np.maximum(
            people.limb_scores[np.ix_(person, ends)], rows.scores[row, None]
        )
        shared[shared == 2] = -1
    # Extend: the person has one end; both are written, whatever stood there. Of two limbs the last one stays.
    person, row = np.nonzero((shared == 1) & better)
    if len(person):
        place = np.ix_(person, ends)
        limb_scores = np.maximum(people.limb_scores[place], rows.scores[row, None])
        people.xyr[place], people.ids[place], people.limb_scores[place] = rows.xyr[row], rows.ids[row], limb_scores
        shared[shared == 1] = -1
    if len(people.ids) > 1:
        people = _merge(people)
    # Found: nobody knows the limb.
    new = np.flatnonzero(shared.sum(axis=0) == 0)
    founded = _People.nobody(people.ids.shape[1], len(new))
    founded.xyr[:, ends], founded.ids[:, ends] = rows.xyr[new], rows.ids[new]
    founded.limb_scores[:, ends] = rows.scores[new, None]
    return people.followed_by(founded)


def _merge(people: _People) -> _People:
    """Merge every two people that share exactly two keypoints into the first: the maximum of every single number.

    That holds for the ids, too: of two keypoints of a type the merged person is known by the one that lies lower in the
    image. Of several partners of one person only the last is taken over, but all of them go.
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
    """Drop weak people, empty what is missing, and sort by score."""
    responses = people.xyr[:, :, 2]
    found = people.ids != _NOBODY
    means = np.where(found, responses, 0).sum(axis=1) / np.maximum(found.sum(axis=1), 1)
    kept = means >= person_threshold
    keypoints = np.where(found[..., None], people.xyr, np.float32(0))[kept]
    scores = keypoints[:, :, 2].sum(axis=1) / np.float32(keypoints.shape[1])
    order = np.argsort(-scores, kind="stable")
    return Poses(keypoints[order], scores[order])
