"""Keypoint candidates and where their offsets lead: all that grouping needs of the maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from gog_pose.geometry import cells_to_image, image_to_cells
from gog_pose.maps.localize import climb, read_vector_arrays, taylor_in_windows, unbias
from gog_pose.maps.peaks import above_zero

Array: TypeAlias = Any  # tensors where PyTorch finds the candidates, arrays where an exported file does


class Candidates(NamedTuple):
    """The keypoint candidates of a batch, n per type.

    Attributes:
        xy: ``(B, K, n, 2)`` float32 peaks, px, input image.
        responses: ``(B, K, n)`` float32; 0 = no peak.
        guides: ``(B, L, n, 2)`` float32 J_guid, px, input image: where the offset of each limb leads from its starts.
    """

    xy: Array
    responses: Array
    guides: Array


class PeakWindows(NamedTuple):
    """The best pixels of a batch, n per type, and the cells around them: what an exported file gives in place of maps.

    Attributes:
        xy: ``(B, K, n, 2)`` float32 best pixels, px, input image.
        responses: ``(B, K, n)`` float32; 0 = no peak.
        first: ``(B, K, n, 2)`` float32 the cell (x, y) that the window of 6 x 6 cells around each begins at.
        cells: ``(B, K, n, S, S)`` float32 heatmaps in the windows; beyond the border, the cells at it. S is 6; for
            ``dark``, these windows are those of ``taylor_in_windows``.
        vectors: ``(B, V, n, 2, 6, 6)`` float32 vectors in the windows, px, input image: the offsets of each limb in the
            windows of its start type; if the decoder refines, then the refinement offsets in the windows of each type.
        size: ``(B, 2)`` int64 width and height of the maps, cells.
    """

    xy: Array
    responses: Array
    first: Array
    cells: Array
    vectors: Array
    size: Array


def read_windows(
    windows: PeakWindows, limbs: Sequence[Sequence[int]], *, stride: int, localizer: str, sigma: float, refine: bool
) -> Candidates:
    """Return the candidates that the maps have in the windows.

    A refinement offset that leads out of the window of its peak, by more than two cells, is longer than any that is
    taught; guiding offsets are then read at the border of the window.

    Args:
        windows: Of B images.
        limbs: L pairs of keypoint types.
        stride: Px per cell, R.
        localizer: That of the decoder.
        sigma: Of the responses, px, input image.
        refine: Add the refinement offsets.
    """
    *fields, size = map(as_array, windows)
    most = int((fields[1] > 0).sum(axis=-1).max(initial=0))  # the peaks of a type come before what is none
    xy, responses, first, cells, vectors = (field[:, :, :most] for field in fields)
    xy, responses = xy.copy(), responses.copy()
    found = responses > 0
    if localizer == "subpixel":
        sizes = np.broadcast_to(size[:, None, None], xy.shape)
        around, begin, limits, pixels = (field[found].astype(np.float64) for field in (cells, first, sizes, xy))
        tops, heights = climb(around, begin, limits, pixels, stride)
        xy[found] = unbias(tops, stride, sigma)
        responses[found] = above_zero(heights, responses[found].astype(np.float64))
    elif localizer == "dark":
        peaks = image_to_cells(xy[found].astype(np.float64), stride)
        centers = taylor_in_windows(cells[found].astype(np.float64), peaks, sigma / stride)
        xy[found] = cells_to_image(centers, stride)
    if refine:
        moves = _read(vectors[:, len(limbs) :], first, xy, stride)
        moved = found[..., None] & np.isfinite(moves).all(axis=-1, keepdims=True)
        xy = np.where(moved, xy + moves, xy)
    types = [start for start, _ in limbs]
    starts = xy[:, types]
    return Candidates(xy, responses, starts + _read(vectors[:, : len(limbs)], first[:, types], starts, stride))


def as_array(field: Array) -> np.ndarray:
    """Return a tensor on any device as an array; an array as it is."""
    return field if isinstance(field, np.ndarray) else np.asarray(field.detach().cpu().numpy())


def _read(vectors: np.ndarray, first: np.ndarray, xy: np.ndarray, stride: int) -> np.ndarray:
    """Read ``(B, V, n, 2, 6, 6)`` windows bilinearly at ``(B, V, n, 2)`` points: each is a map of its own."""
    places = (xy - stride * first).reshape(-1, 1, 1, 2)  # px from the begin of the window
    return read_vector_arrays(vectors.reshape(-1, 1, *vectors.shape[3:]), places, stride).reshape(xy.shape)
