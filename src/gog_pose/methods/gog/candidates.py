"""Keypoint candidates and the ends of their offsets, the input of grouping."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from gog_pose.assembly.limbs import LARGEST_SPREAD
from gog_pose.geometry import cells_to_image, image_to_cells
from gog_pose.maps.localize import climb, read_vector_arrays, taylor_in_windows, unbias
from gog_pose.maps.peaks import above_zero

Array: TypeAlias = Any  # tensors if PyTorch finds the candidates, arrays if an exported file does


class Candidates(NamedTuple):
    """The keypoint candidates of a batch, n per type.

    Attributes:
        xy: ``(B, K, n, 2)`` float32 peaks, px, input image.
        responses: ``(B, K, n)`` float32; 0 = no peak.
        guides: ``(B, L, n, 2)`` float32 J_guid, px, input image: the ends of each limb's offsets from its starts.
        spreads: ``(B, L, n)`` float32 spreads b of these offsets, px, input image. None unless the decoder uses them.
    """

    xy: Array
    responses: Array
    guides: Array
    spreads: Array | None = None


class PeakWindows(NamedTuple):
    """The highest pixels of a batch, n per type, and the cells around them: the output of an exported file.

    Attributes:
        xy: ``(B, K, n, 2)`` float32 highest pixels, px, input image.
        responses: ``(B, K, n)`` float32; 0 = no peak.
        first: ``(B, K, n, 2)`` float32 the first cell (x, y) of the window of 6 x 6 cells around each pixel.
        cells: ``(B, K, n, S, S)`` float32 heatmaps in the windows; the cells at the border are repeated beyond it. S is
            6; for ``dark``, these windows are those of ``taylor_in_windows``.
        vectors: ``(B, V, n, 2, 6, 6)`` float32 vectors in the windows, px, input image: the offsets of each limb in the
            windows of its start type, followed by the refinement offsets in the windows of each type if the decoder
            refines.
        size: ``(B, 2)`` int64 width and height of the maps, cells.
        spreads: ``(B, L, n, 6, 6)`` float32 log b, b in px, input image, in the windows of the start type of each limb.
            None unless the decoder uses them.
    """

    xy: Array
    responses: Array
    first: Array
    cells: Array
    vectors: Array
    size: Array
    spreads: Array | None = None


def read_windows(
    windows: PeakWindows, limbs: Sequence[Sequence[int]], *, stride: int, localizer: str, sigma: float, refine: bool
) -> Candidates:
    """Return the candidates of the windows.

    Guiding offsets are read at the border of the window if a refinement offset leads out of it, by more than two cells.
    Targets never have such long refinement offsets.

    Args:
        windows: Windows of B images.
        limbs: L pairs of keypoint types.
        stride: Px of the input image per cell, R.
        localizer: Localizer of the decoder.
        sigma: Standard deviation of the responses, px, input image.
        refine: Add the refinement offsets.
    """
    *fields, size = map(as_array, windows[:-1])
    most = int((fields[1] > 0).sum(axis=-1).max(initial=0))  # the peaks of a type precede empty entries
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
    starts, corners = xy[:, types], first[:, types]
    guides = starts + _read(vectors[:, : len(limbs)], corners, starts, stride)
    if windows.spreads is None:
        return Candidates(xy, responses, guides)
    logarithms = _read(as_array(windows.spreads)[:, :, :most, None], corners, starts, stride)[..., 0]
    return Candidates(xy, responses, guides, np.exp(np.minimum(logarithms, LARGEST_SPREAD)))


def as_array(field: Array) -> np.ndarray:
    """Convert a tensor on any device to an array; return an array unchanged."""
    return field if isinstance(field, np.ndarray) else np.asarray(field.detach().cpu().numpy())


def _read(vectors: np.ndarray, first: np.ndarray, xy: np.ndarray, stride: int) -> np.ndarray:
    """Interpolate ``(B, V, n, c, 6, 6)`` windows bilinearly at ``(B, V, n, 2)`` points: ``(B, V, n, c)``."""
    places = (xy - stride * first).reshape(-1, 1, 1, 2)  # px from the start of the window
    return read_vector_arrays(vectors.reshape(-1, 1, *vectors.shape[3:]), places, stride).reshape(vectors.shape[:4])
