"""Reader of PersonLab's maps by the rules of the paper: Hough voting, and mid-range offsets refined at the cells."""

from __future__ import annotations

import numpy as np

from gog_pose.methods.personlab.decoder import ImageReader, PersonLabDecoder
from gog_pose.methods.personlab.grouping import Roots
from gog_pose.methods.personlab.hough import hough_maps
from gog_pose.methods.personlab.walk import Place


class VotingReader(ImageReader):
    """Reader of the maps of one image and of its Hough score maps (Sec. 3.1 of PersonLab's paper).

    Args:
        decoder: Decoder with the options.
        heatmaps: ``(K, h, w)`` finite.
        short_offsets: ``(2K, h, w)`` finite.
        mid_offsets: ``(2E, h, w)``.
        radius: Radius of the target disks, px, input image.
        threshold: Lowest Hough score of a root.

    Attributes:
        hough: Hough score maps of the image.
    """

    waves = False

    def __init__(
        self,
        decoder: PersonLabDecoder,
        heatmaps: np.ndarray,
        short_offsets: np.ndarray,
        mid_offsets: np.ndarray,
        *,
        radius: float,
        threshold: float,
    ) -> None:
        super().__init__(decoder, heatmaps, short_offsets, mid_offsets)
        self.hough = hough_maps(heatmaps, short_offsets, stride=decoder.stride, radius=radius)
        self._threshold = threshold

    def roots(self) -> Roots:
        """Return the maxima of the Hough scores."""
        return Roots.sorted(*self.hough.peaks(self._threshold))

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
