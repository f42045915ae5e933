"""Outlines of people and crowds, packed into arrays, which loading processes share; lists would be copied by each."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np

MOST_POINTS = 10_000  # of an outline's polygons together: OpenCV's time grows with the square, to 20 s here at worst
_MARGIN = 2.0  # px
_LONGEST_NUMBER = 7  # characters of 5 bits that a length of run takes at most


class Outlines:
    """Some of the outlines of an annotation file.

    Args:
        outlines: Each with the place of its annotation: lists of polygons, each x and y in turn, or arrays of lengths
            of runs, as ``run_lengths`` returns them.
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
        """Return the filled outline of an annotation, ``(H, W)`` bool; None if it has none that encloses anything.

        Args:
            place: Of the annotation.
            image_hw: ``(H, W)`` px of its image.
        """
        if polygons := self._polygons.of(place):
            return _filled(polygons, image_hw)
        for runs in self._runs.of(place):
            inside = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
            return np.asarray(inside.reshape(image_hw[::-1]).T) if inside.any() else None  # column by column
        return None


def encloses(outline: Any, image_hw: tuple[int, int]) -> bool:
    """Return whether an outline, as ``Outlines`` takes it, encloses anything of an image of ``(H, W)`` px."""
    return Outlines([(0, outline)]).mask(0, image_hw) is not None


def _filled(polygons: Sequence[np.ndarray], image_hw: tuple[int, int]) -> np.ndarray | None:
    """Return the union of polygons; None where they are points and lines, or outside the image."""
    mask, lines = np.zeros(image_hw, dtype=np.uint8), np.zeros(image_hw, dtype=np.uint8)
    area = 0.0  # px^2; that of a line is 0, but so may be that of a polygon that crosses itself
    for polygon in polygons:
        # COCO's polygons run along pixel edges, OpenCV's through pixel centers.
        points = np.round(_clipped(polygon.reshape(-1, 2) - 0.5, image_hw)).astype(np.int32)
        if len(points):
            cv2.fillPoly(mask, [points], 1)
            cv2.polylines(lines, [points], True, 1)
            area += cv2.contourArea(points)
    return mask.astype(bool) if mask.any() and (area >= 1 or (mask > lines).any()) else None


def _clipped(points: np.ndarray, image_hw: tuple[int, int]) -> np.ndarray:
    """Clip a polygon, ``(N, 2)``, a little outside the image: OpenCV goes through all rows that a polygon crosses.

    After I. Sutherland and G. Hodgman (1974); the edges that they add along the bounds are outside the image.
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
    """Pieces of several lengths.

    Attributes:
        owners: ``(N,)`` whose each piece is, in ascending order.
        starts: ``(N,)`` where each begins.
        ends: ``(N,)`` where each ends.
        values: All of them.
    """

    owners: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    values: np.ndarray

    def of(self, owner: int) -> list[np.ndarray]:
        """Return the pieces of an owner."""
        first, end = np.searchsorted(self.owners, [owner, owner + 1])
        return [self.values[self.starts[piece] : self.ends[piece]] for piece in range(first, end)]


class _Pieces:
    """Pieces that are being packed."""

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
    """Return the lengths of the runs of a mask, outside and inside in turn, from COCO's ``counts``.

    Raises:
        ValueError: They are no lengths, or not of so many pixels.
    """
    lengths = array("I")
    try:
        lengths.extend(_decompressed(counts) if isinstance(counts, str) else counts)
    except (TypeError, OverflowError, IndexError):
        raise ValueError("no lengths of runs") from None
    if sum(lengths) != num_pixels:
        raise ValueError("lengths of another number of pixels")
    return lengths


def _decompressed(counts: str) -> list[int]:
    """Undo COCO's compression: 5 bits per character, the lowest first; after three runs the change to the last but one.

    Raises:
        IndexError: The end is missing.
        OverflowError: A length takes more characters than it can.
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
