"""The decoder of PersonLab's paper: Hough voting, refined mid-range offsets, Expected-OKS (Sec. 3.1)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gog_pose.maps.peaks import finite
from gog_pose.methods.options import require_choices, require_ranges
from gog_pose.methods.personlab.decoder import ImageReader, PersonLabDecoder
from gog_pose.methods.personlab.voting import VotingReader

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

    @cached_property
    def kappas(self) -> np.ndarray:
        """``(K,)`` standard deviations of OKS per root of a person's area, 2 OKS sigmas."""
        return 2 * np.array(self.skeleton.oks_sigmas)

    def read(self, heatmaps: np.ndarray, short_offsets: np.ndarray, mid_offsets: np.ndarray) -> ImageReader:
        """Return a reader of the ``(C, h, w)`` maps of one image by these rules."""
        maps = finite(heatmaps), finite(short_offsets), mid_offsets
        return _ScoringReader(self, *maps, radius=self.radius, threshold=self.threshold)


class _ScoringReader(VotingReader):
    """Reader of the maps of one image that scores keypoints by their votes."""

    decoder: PaperDecoder

    def grow(self, kind: int, xy: np.ndarray) -> np.ndarray:
        """Return the ``(K, 3)`` pose that starts at a keypoint: x, y (px, input image) and scores."""
        person = super().grow(kind, xy)
        (reached,) = np.nonzero(person[:, 2])
        width, height = np.ptp(person[reached, :2], axis=0)
        if self.decoder.score == "hough":
            scores = np.array([self._hough_score(kind, *person[kind, :2].tolist()) for kind in reached.tolist()])
        else:
            spreads = math.sqrt(width * height) * self.decoder.kappas[reached]
            scores = person[reached, 2] * self._expected_oks(reached, person[reached, :2], spreads)
        person[reached, 2] = np.maximum(scores, _FAINTEST)
        return person

    def _hough_score(self, kind: int, x: float, y: float) -> float:
        """Return the Hough score at a position, px, interpolated bilinearly."""
        left, top = math.floor(x), math.floor(y)
        tx, ty = x - left, y - top
        (a, b), (c, d) = self.hough.at(
            np.array(kind), left + np.array([[0, 1], [0, 1]]), top + np.array([[0, 0], [1, 1]])
        ).tolist()
        above = a + tx * (b - a)
        return float(above + ty * (c + tx * (d - c) - above))

    def _expected_oks(self, kinds: np.ndarray, xy: np.ndarray, spreads: np.ndarray) -> np.ndarray:
        """Return the ``(N,)`` mean OKS of positions, px, with the px around them, weighted by their Hough scores."""
        radius = self.decoder.radius
        firsts, squared = [], []
        for places, side in zip(xy.T, self.hough.size[::-1], strict=True):
            length = min(math.floor(2 * radius) + 1, side)
            first = np.clip(np.ceil(places - radius), 0, side - length).astype(np.int64)  # windows are in the image
            firsts.append(first)
            squared.append(np.square(first[:, None] + np.arange(length) - places[:, None]))
        (left, top), (x_squared, y_squared) = firsts, squared
        votes = self.hough.windows(kinds, left, top, (y_squared.shape[1], x_squared.shape[1]))
        votes *= x_squared[:, None] <= (radius**2 - y_squared)[:, :, None]
        wide = np.maximum(spreads, _NARROWEST)[:, None]
        along_x, along_y = (np.exp(squares / (-2 * wide**2)).astype(np.float32) for squares in squared)
        columns = np.stack([np.ones_like(along_x), along_x], axis=2)
        totals, similar = np.moveaxis(votes @ columns, 2, 0)  # (N, h) each
        total, similar = totals.sum(axis=1), (along_y * similar).sum(axis=1)
        return np.where((total > 0) & (spreads > 0), similar / np.maximum(total, _FEWEST), 0)
