"""Outlines of people and crowds, packed into arrays, which loading processes share, unlike Python lists."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np

MOST_POINTS = 10_000  # total of an outline's polygons: OpenCV's time grows quadratically, up to 20 s at this limit
_MARGIN = 2.0  # px
_LONGEST_NUMBER = 7  # characters of 5 bits per run length


class Outlines:
    """Outlines of annotations.

    Args:
        outlines: Pairs of the index of an annotation and its outline: a list of polygons ``[x, y, x, y, ...]``, or an
            array of run lengths from ``run_lengths``.
    """

    def __init__(self, outlines: Iterable[tuple[int, Any]]) -> None:
        polygons, runs = _Pieces("f"), _Pieces("I")
        for place, outline in outlines:
            if isinstance(outline, list):
                for polygon in outline:
                    polygons.add(place, polygon)
            else:
                runs.add(place, outline)
        self._polygons, self._runs = polygons.packed(), runs.packed()

    def mask(self, place: int, image_hw: tuple[int, int]) -> np.ndarray | None:
        """Return the filled outline of an annotation, ``(H, W)`` bool; None if it has none or it encloses nothing.

        Args:
            place: Index of the annotation.
            image_hw: Height and width of its image, px.
        """
        if polygons := self._polygons.of(place):
            return _filled(polygons, image_hw)
        for runs in self._runs.of(place):
            inside = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
            return np.asarray(inside.reshape(image_hw[::-1]).T) if inside.any() else None  # runs go along columns
        return None


def encloses(outline: Any, image_hw: tuple[int, int]) -> bool:
    """Return whether an outline in the format of ``Outlines`` encloses any pixels of an image of ``(H, W)`` px."""
    return Outlines([(0, outline)]).mask(0, image_hw) is not None


def _filled(polygons: Sequence[np.ndarray], image_hw: tuple[int, int]) -> np.ndarray | None:
    """Return the union of polygons; None if they are only points and lines, or outside the image."""
    mask, lines = np.zeros(image_hw, dtype=np.uint8), np.zeros(image_hw, dtype=np.uint8)
    area = 0.0  # px^2; 0 for a line, but possibly also for a polygon that intersects itself
    for polygon in polygons:
        # COCO's coordinates count from pixel corners, OpenCV's from pixel centers.
        points = np.round(_clipped(polygon.reshape(-1, 2) - 0.5, image_hw)).astype(np.int32)
        if len(points):
            cv2.fillPoly(mask, [points], 1)
            cv2.polylines(lines, [points], True, 1)
            area += cv2.contourArea(points)
    return mask.astype(bool) if mask.any() and (area >= 1 or (mask > lines).any()) else None


def _clipped(points: np.ndarray, image_hw: tuple[int, int]) -> np.ndarray:
    """Clip a polygon, ``(N, 2)``, slightly outside the image, because OpenCV visits every row that a polygon crosses.

    Algorithm of Sutherland and Hodgman (1974); the edges that it adds along the bounds lie outside the image.
    """
    for axis in (0, 1):
        for sign, bound in ((-1, _MARGIN), (1, image_hw[1 - axis] + _MARGIN)):
            inside = sign * points[:, axis] <= bound
            if inside.all():
                continue
            before = np.roll(points, 1, axis=0)
            crosses = inside != np.roll(inside, 1)
            span = np.where(crosses, points[:, axis] - before[:, axis], 1)
            crossings = before + (points - before) * ((sign * bound - before[:, axis]) / span)[:, None]
            points = np.stack([crossings, points], axis=1)[np.stack([crosses, inside], axis=1)]
    return points


class _Packed(NamedTuple):
    """Pieces of different lengths in one array.

    Attributes:
        owners: ``(N,)`` index of the annotation of each piece, ascending.
        starts: ``(N,)`` first index of each piece in ``values``.
        ends: ``(N,)`` index behind the last one of each piece.
        values: Concatenated values of all pieces.
    """

    owners: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    values: np.ndarray

    def of(self, owner: int) -> list[np.ndarray]:
        """Return the pieces of an annotation."""
        first, end = np.searchsorted(self.owners, [owner, owner + 1])
        return [self.values[self.starts[piece] : self.ends[piece]] for piece in range(first, end)]


class _Pieces:
    """Builder of ``_Packed``."""

    def __init__(self, kind: str) -> None:
        self._owners, self._ends = array("q"), array("q")
        self._values: array[Any] = array(kind)

    def add(self, owner: int, piece: Iterable[float]) -> None:
        self._values.extend(piece)
        self._owners.append(owner)
        self._ends.append(len(self._values))

    def packed(self) -> _Packed:
        owners, ends, values = (np.array(own) for own in (self._owners, self._ends, self._values))
        starts = np.concatenate([[0], ends[:-1]])[: len(ends)].astype(np.int64)
        order = np.argsort(owners, kind="stable")
        return _Packed(owners[order], starts[order], ends[order], values)


def run_lengths(counts: Any, num_pixels: int) -> array[int]:
    """Return the run lengths of a mask, alternately outside and inside, from COCO's ``counts``.

    Raises:
        ValueError: ``counts`` is malformed, or its sum is not ``num_pixels``.
    """
    lengths = array("I")
    try:
        lengths.extend(_decompressed(counts) if isinstance(counts, str) else counts)
    except (TypeError, OverflowError, IndexError):
        raise ValueError("the run lengths are malformed") from None
    if sum(lengths) != num_pixels:
        raise ValueError(f"the sum of the run lengths is not {num_pixels}")
    return lengths


def _decompressed(counts: str) -> list[int]:
    """Undo COCO's compression.

    Characters hold 5 bits each, the lowest first. Runs from the fourth on are differences to the run two before.

    Raises:
        IndexError: The end is missing.
        OverflowError: A run length has too many characters.
    """
    lengths: list[int] = []
    place = 0
    while place < len(counts):
        length = shift = 0
        more = True
        while more:
            bits = ord(counts[place]) - 48
            length |= (bits & 31) << shift
            more = bool(bits & 32)
            place, shift = place + 1, shift + 5
            if shift > 5 * _LONGEST_NUMBER:
                raise OverflowError
        if bits & 16:
            length |= -1 << shift
        lengths.append(length + (lengths[-2] if len(lengths) > 2 else 0))
    return lengths
