"""MoveNet's decoder: each keypoint of a person is the best cell of its type near the end of the person's offset.

These are the rules in the graph of MoveNet MultiPose (Google, 2021), including a quirk of its grid: a cell's upper left
pixel determines whether the cell lies in a box and how far it is from a point.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F

from gog_pose.maps.fields import Field, check_maps
from gog_pose.methods.centernet.records import CenterMaps, fields, refined
from gog_pose.methods.options import require_ranges
from gog_pose.poses import Poses
from gog_pose.skeleton import Skeleton

_WINDOW = 5  # cells; side of the square around a center in which it is the highest


@dataclass(frozen=True)
class MoveNetDecoder:
    """Decodes one person per peak of the center map, with a keypoint of every type.

    A keypoint is the cell of the person's box with the highest response, weighted by ``exp(-d^2 / D^2)``, plus its
    refinement offset. d is the distance to the end of the person's offset; ``D^2`` is the shorter side of the maps
    times ``spread``, in cells^2. Several people may use the same cell.

    Attributes:
        skeleton: Keypoint types and limbs of a person.
        stride: Px of the input image per cell, R.
        topk: Largest number of people per image; MoveNet's is 6.
        spread: Larger values allow keypoints further from the ends of offsets, cells^2 per cell; MoveNet's is 0.3.
        threshold: Keypoints with a weighted response of at most this are inferred and do not count in the score.
        score_threshold: People with a score of at most this are dropped. A score is the center's response times the
            mean weighted response of the keypoints that count.
        refinements: Refinement offsets of the maps: ``shared`` by keypoints of all types, or ``per_type``.

    Raises:
        InputError: An option is out of its range.
    """

    skeleton: Skeleton
    _: KW_ONLY
    stride: int = 4
    topk: int = 20
    spread: float = 0.3
    threshold: float = 0.127
    score_threshold: float = 0.0
    refinements: str = "shared"

    def __post_init__(self) -> None:
        """Check the options."""
        require_ranges(
            self, counts=("stride", "topk"), positive=("spread",), not_negative=("threshold", "score_threshold")
        )
        refined(self.skeleton, self.refinements)

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """Fields of the maps."""
        return fields(self.skeleton, self.stride, self.refinements)

    @torch.no_grad()
    def __call__(self, maps: CenterMaps) -> list[Poses]:
        """Decode a batch, mostly on the CPU.

        Args:
            maps: Maps of a batch, on any device.

        Returns:
            The people of each image, px, input image, with weighted responses.

        Raises:
            InputError: The maps do not fit the skeleton.
        """
        check_maps(maps, self.fields, "centernet")
        centers = maps.centers.float()
        window = F.max_pool2d(centers, _WINDOW, stride=1, padding=_WINDOW // 2)
        peaks = (centers * (centers == window)).flatten(1)
        responses, places = peaks.topk(min(self.topk, peaks.shape[1]))
        arrays = (field.float().cpu().numpy() for field in maps)
        images = zip(*arrays, responses.cpu().numpy(), places.cpu().numpy(), strict=True)
        return [self._image(CenterMaps(*image[:6]), *image[6:]) for image in images]

    def _image(self, maps: CenterMaps, responses: np.ndarray, places: np.ndarray) -> Poses:
        """Return the people of one image from ``(C, h, w)`` maps and ``(P,)`` responses and indices of center peaks."""
        responses, places = responses[responses > 0], places[responses > 0]
        rows, columns = np.divmod(places, maps.centers.shape[2])
        people = [self._person(maps, row, column) for row, column in zip(rows, columns, strict=True)]
        keypoints = np.zeros((len(people), self.skeleton.num_keypoints, 3), dtype=np.float32)
        for place, person in enumerate(people):
            keypoints[place] = person
        keypoints[keypoints[..., 2] == 0] = 0  # not found
        counts = keypoints[..., 2] > self.threshold
        means = (keypoints[..., 2] * counts).sum(axis=1) / counts.sum(axis=1).clip(min=1)
        scores = responses * means
        order = np.argsort(-scores, kind="stable")
        order = order[scores[order] > self.score_threshold]
        return Poses(keypoints[order], scores[order], ~counts[order])

    def _person(self, maps: CenterMaps, row: int, column: int) -> np.ndarray:
        """Return ``(K, 3)`` x, y and weighted response for the person whose center is in a cell.

        All are 0 if no cell lies in the person's box.
        """
        height, width = maps.centers.shape[1:]
        corner = self.stride * np.array([column, row], dtype=np.float64)
        center = corner + (self.stride - 1) / 2
        goals = center + maps.offsets[:, row, column].reshape(-1, 2)  # (K, 2)
        middle = center + maps.center_refinements[:, row, column]
        half = maps.sizes[:, row, column].clip(min=0) / 2
        ends = (np.ceil(np.stack([middle - half, middle + half]) / self.stride)).clip(0, (width, height)).astype(int)
        x, y = (self.stride * np.arange(*ends[:, axis]) for axis in (0, 1))  # px of the cells in the box
        if not (len(x) and len(y)):
            return np.zeros((len(goals), 3))
        unit = self.spread * self.stride**2 * min(height, width)  # D^2
        near_x, near_y = (np.exp(-np.square(xy - goals[:, axis, None]) / unit) for axis, xy in enumerate((x, y)))
        box = maps.heatmaps[:, ends[0, 1] : ends[1, 1], ends[0, 0] : ends[1, 0]]
        weighed = (box * near_y[:, :, None] * near_x[:, None]).reshape(len(goals), -1)
        best = weighed.argmax(axis=1)
        rows, columns = np.divmod(best, len(x))
        steps = maps.refinements.reshape(-1, 2, height, width)[:, :, rows + ends[0, 1], columns + ends[0, 0]]
        types = np.arange(len(goals))
        own = steps[types % len(steps), :, types]  # (K, 2)
        found = np.stack([x[columns], y[rows]], axis=1) + (self.stride - 1) / 2 + own
        return np.concatenate([found, weighed[types, best, None]], axis=1)
