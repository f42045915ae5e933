"""The decoder of PersonLab's paper: Hough voting, refined mid-range offsets, Expected-OKS (Sec. 3.1)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gog_pose.errors import InputError
from gog_pose.maps.peaks import finite
from gog_pose.methods.options import require_ranges
from gog_pose.methods.personlab.decoder import ImageReader, PersonLabDecoder
from gog_pose.methods.personlab.grouping import Roots
from gog_pose.methods.personlab.hough import hough_maps
from gog_pose.methods.personlab.walk import Place

_SCORES = ("expected_oks", "hough")
_FAINTEST = 1e-6  # score of a keypoint that nothing votes for; 0 would say that it has no place


@dataclass(frozen=True)
class PaperDecoder(PersonLabDecoder):
    """Decoding as in the paper: roots are the maxima of Hough score maps at the size of the input image.

    Mid-range offsets are refined at the cells and read bilinearly. Limbs that form rings are not in the paper; the
    walk takes the surest way, as that of ``PersonLabDecoder``.

    Attributes:
        threshold: Lowest Hough score of a root.
        radius: Of the disks that the network was taught, px, input image.
        score: Of a keypoint: ``expected_oks``, the similarity that is to be expected by the votes around it, times its
            response; or ``hough``, the Hough score there.
    """

    threshold: float = 0.01
    radius: float = 32.0
    score: str = "expected_oks"

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        require_ranges(self, positive=("radius",))
        if self.score not in _SCORES:
            raise InputError(f"decoder.score: {self.score!r} is unknown; choose {' or '.join(_SCORES)}")

    def read(self, heatmaps: np.ndarray, short_offsets: np.ndarray, mid_offsets: np.ndarray) -> ImageReader:
        """Return what reads the maps of one image, ``(C, h, w)`` each, by these rules."""
        return _VotingReader(self, finite(heatmaps), finite(short_offsets), mid_offsets)


class _VotingReader(ImageReader):
    """The maps of one image, and its Hough score maps."""

    decoder: PaperDecoder

    def __init__(self, decoder: PaperDecoder, *maps: np.ndarray) -> None:
        super().__init__(decoder, *maps)
        heatmaps, short_offsets, _ = maps
        self._hough = hough_maps(heatmaps, short_offsets, stride=decoder.stride, radius=decoder.radius)
        self._kappas = 2 * np.array(decoder.skeleton.oks_sigmas)

    def roots(self) -> Roots:
        """Return the maxima of the Hough scores."""
        return Roots.sorted(*self._hough.peaks(self.decoder.threshold))

    def grow(self, kind: int, xy: np.ndarray) -> np.ndarray:
        """Return the pose ``(K, 3)`` that starts at a keypoint: x, y (px, input image) and scores."""
        person = super().grow(kind, xy)
        (reached,) = np.nonzero(person[:, 2])
        width, height = np.ptp(person[reached, :2], axis=0)
        spreads = math.sqrt(width * height) * self._kappas
        for kind in reached.tolist():
            x, y, response = person[kind]
            if self.decoder.score == "hough":
                score = self._hough_score(kind, x, y)
            else:
                score = response * self._expected_oks(kind, x, y, spreads[kind])
            person[kind, 2] = max(score, _FAINTEST)
        return person

    def step(self, edge: int, start: Place) -> Place:
        """Follow a mid-range offset that is refined at the cells; places are in cells."""
        x, y = self.mid.clamped(*start)
        left, top = int(x), int(y)
        tx, ty = x - left, y - top
        there_x = there_y = 0.0
        for row, share_y in ((top, 1 - ty), (top + 1, ty)):
            for column, share_x in ((left, 1 - tx), (left + 1, tx)):
                if share_x * share_y > 0:  # so that the cell is on the map
                    end_x, end_y = self._refined(edge, column, row)
                    there_x += share_x * share_y * (end_x - column)
                    there_y += share_x * share_y * (end_y - row)
        return self.mid.clamped(x + there_x, y + there_y)

    def _refined(self, edge: int, column: int, row: int) -> Place:
        """Return where the refined mid-range offset of a cell leads; beyond the outer cells it is not refined."""
        stride, end = self.decoder.stride, self.decoder.ends[edge]
        dx, dy = self.mid.vector(edge, column, row)
        x, y = column + dx / stride, row + dy / stride
        for _ in range(self.decoder.steps):
            if self.short.clamped(x, y) != (x, y):
                break
            dx, dy = self.short.vector(end, x, y)
            x, y = x + dx / stride, y + dy / stride
        return x, y

    def _hough_score(self, kind: int, x: float, y: float) -> float:
        """Return the Hough score at a place, px, read bilinearly."""
        left, top = math.floor(x), math.floor(y)
        tx, ty = x - left, y - top
        (a, b), (c, d) = self._hough.at(
            np.array(kind), left + np.array([[0, 1], [0, 1]]), top + np.array([[0, 0], [1, 1]])
        ).tolist()
        above = a + tx * (b - a)
        return float(above + ty * (c + tx * (d - c) - above))

    def _expected_oks(self, kind: int, x: float, y: float, spread: float) -> float:
        """Return the mean OKS of a place, px, with the places that the disk around it votes for."""
        radius, (height, width) = self.decoder.radius, self._hough.size
        left, top = max(math.ceil(x - radius), 0), max(math.ceil(y - radius), 0)
        right, bottom = min(math.floor(x + radius) + 1, width), min(math.floor(y + radius) + 1, height)
        votes = self._hough.window(kind, left, top, right, bottom)
        x_squared = np.square(np.arange(left, right) - x)
        y_squared = np.square(np.arange(top, bottom) - y)
        votes = votes * (x_squared <= radius**2 - y_squared[:, None])
        total = votes.sum()
        if total <= 0 or spread <= 0:
            return 0.0
        along_x, along_y = (np.exp(squared / (-2 * spread**2)) for squared in (x_squared, y_squared))
        return float(along_y @ votes @ along_x / total)
