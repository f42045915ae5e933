"""The decoder of PersonLab's paper: Hough voting, refined mid-range offsets, Expected-OKS (Sec. 3.1)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gog_pose.maps.peaks import finite
from gog_pose.methods.options import require_choices, require_ranges
from gog_pose.methods.personlab.decoder import ImageReader, PersonLabDecoder
from gog_pose.methods.personlab.grouping import Roots
from gog_pose.methods.personlab.hough import hough_maps
from gog_pose.methods.personlab.walk import Place

_SCORES = ("expected_oks", "hough")
_FAINTEST = 1e-6  # score of a keypoint without votes; 0 would mean that it was not reached
_NARROWEST, _FEWEST = 1e-6, 1e-30  # least spread, px, and least sum of votes, to avoid division by 0


@dataclass(frozen=True)
class PaperDecoder(PersonLabDecoder):
    """Decodes maps like the paper: roots are the maxima of Hough score maps at the size of the input image.

    Mid-range offsets are refined at the cells and interpolated bilinearly. The paper has no limbs that form cycles; in
    a cycle the walk takes the most confident path, as in ``PersonLabDecoder``.

    Attributes:
        threshold: Lowest Hough score of a root.
        radius: Radius of the target disks, px, input image.
        score: Score of a keypoint: ``expected_oks``, the OKS expected from the votes around it, times its response; or
            ``hough``, its Hough score.
    """

    threshold: float = 0.01
    radius: float = 32.0
    score: str = "expected_oks"

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        require_ranges(self, positive=("radius",))
        require_choices(self, {"score": _SCORES})

    def read(self, heatmaps: np.ndarray, short_offsets: np.ndarray, mid_offsets: np.ndarray) -> ImageReader:
        """Return a reader of the ``(C, h, w)`` maps of one image by these rules."""
        return _VotingReader(self, finite(heatmaps), finite(short_offsets), mid_offsets)


class _VotingReader(ImageReader):
    """Reader of the maps of one image and of its Hough score maps."""

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
        """Return the ``(K, 3)`` pose that starts at a keypoint: x, y (px, input image) and scores."""
        person = super().grow(kind, xy)
        (reached,) = np.nonzero(person[:, 2])
        width, height = np.ptp(person[reached, :2], axis=0)
        if self.decoder.score == "hough":
            scores = np.array([self._hough_score(kind, *person[kind, :2].tolist()) for kind in reached.tolist()])
        else:
            spreads = math.sqrt(width * height) * self._kappas[reached]
            scores = person[reached, 2] * self._expected_oks(reached, person[reached, :2], spreads)
        person[reached, 2] = np.maximum(scores, _FAINTEST)
        return person

    def step(self, edge: int, start: Place) -> Place:
        """Follow a mid-range offset that is refined at the cells; positions are in cells."""
        x, y = self.mid.clamped(*start)
        left, top = int(x), int(y)
        tx, ty = x - left, y - top
        there_x = there_y = 0.0
        for row, share_y in ((top, 1 - ty), (top + 1, ty)):
            for column, share_x in ((left, 1 - tx), (left + 1, tx)):
                share = share_x * share_y
                if share > 0:  # true only for cells on the map
                    end_x, end_y = self._refined(edge, column, row)
                    there_x += share * (end_x - column)
                    there_y += share * (end_y - row)
        return self.mid.clamped(x + there_x, y + there_y)

    def _refined(self, edge: int, column: int, row: int) -> Place:
        """Return the end of the refined mid-range offset of a cell; beyond the outer cells it is not refined."""
        stride, end = self.decoder.stride, self.decoder.ends[edge]
        dx, dy = self.mid.cell(edge, column, row)
        x, y = column + dx / stride, row + dy / stride
        right, bottom = self.short.last
        for _ in range(self.decoder.steps):
            if not (0 <= x <= right and 0 <= y <= bottom):
                break
            dx, dy = self.short.vector(end, x, y)
            x, y = x + dx / stride, y + dy / stride
        return x, y

    def _hough_score(self, kind: int, x: float, y: float) -> float:
        """Return the Hough score at a position, px, interpolated bilinearly."""
        left, top = math.floor(x), math.floor(y)
        tx, ty = x - left, y - top
        (a, b), (c, d) = self._hough.at(
            np.array(kind), left + np.array([[0, 1], [0, 1]]), top + np.array([[0, 0], [1, 1]])
        ).tolist()
        above = a + tx * (b - a)
        return float(above + ty * (c + tx * (d - c) - above))

    def _expected_oks(self, kinds: np.ndarray, xy: np.ndarray, spreads: np.ndarray) -> np.ndarray:
        """Return the ``(N,)`` mean OKS of positions, px, with the px around them, weighted by their Hough scores."""
        radius = self.decoder.radius
        firsts, squared = [], []
        for places, side in zip(xy.T, self._hough.size[::-1], strict=True):
            length = min(math.floor(2 * radius) + 1, side)
            first = np.clip(np.ceil(places - radius), 0, side - length).astype(np.int64)  # windows are in the image
            firsts.append(first)
            squared.append(np.square(first[:, None] + np.arange(length) - places[:, None]))
        (left, top), (x_squared, y_squared) = firsts, squared
        votes = self._hough.windows(kinds, left, top, (y_squared.shape[1], x_squared.shape[1]))
        votes *= x_squared[:, None] <= (radius**2 - y_squared)[:, :, None]
        wide = np.maximum(spreads, _NARROWEST)[:, None]
        along_x, along_y = (np.exp(squares / (-2 * wide**2)).astype(np.float32) for squares in squared)
        columns = np.stack([np.ones_like(along_x), along_x], axis=2)
        totals, similar = np.moveaxis(votes @ columns, 2, 0)  # (N, h) each
        total, similar = totals.sum(axis=1), (along_y * similar).sum(axis=1)
        return np.where((total > 0) & (spreads > 0), similar / np.maximum(total, _FEWEST), 0)
