"""Keypoint candidates and where their offsets lead: all that grouping needs of the maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch

from gog_pose.geometry import cells_to_image, image_to_cells
from gog_pose.maps.localize import climb, read_vectors, taylor_in_windows, unbias
from gog_pose.maps.peaks import above_zero


class Candidates(NamedTuple):
    """The keypoint candidates of a batch, n per type.

    Attributes:
        xy: ``(B, K, n, 2)`` float32 peaks, px, input image.
        responses: ``(B, K, n)`` float32; 0 = no peak.
        guides: ``(B, L, n, 2)`` float32 J_guid, px, input image: where the offset of each limb leads from its starts.
    """

    xy: torch.Tensor
    responses: torch.Tensor
    guides: torch.Tensor


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

    xy: torch.Tensor
    responses: torch.Tensor
    first: torch.Tensor
    cells: torch.Tensor
    vectors: torch.Tensor
    size: torch.Tensor


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
    most = int((windows.responses > 0).sum(dim=-1).max())  # the peaks of a type come before what is none
    windows = PeakWindows._make([*(field[:, :, :most] for field in windows[:-1]), windows.size])
    xy, responses = windows.xy.clone(), windows.responses
    if localizer == "subpixel":
        found = responses > 0
        fields = windows.cells, windows.first, windows.size[:, None, None].expand(xy.shape), xy
        cells, first, size, pixels = (field[found].double().numpy() for field in fields)
        tops, heights = climb(cells, first, size, pixels, stride)
        xy[found] = torch.from_numpy(unbias(tops, stride, sigma)).float()
        heights = above_zero(heights, responses[found].double().numpy())
        responses = responses.masked_scatter(found, torch.from_numpy(heights).float())
    elif localizer == "dark":
        found = responses > 0
        peaks = image_to_cells(xy[found].double().numpy(), stride)
        centers = taylor_in_windows(windows.cells[found].double().numpy(), peaks, sigma / stride)
        xy[found] = torch.from_numpy(cells_to_image(centers, stride)).float()
    if refine:
        moves = _read(windows.vectors[:, len(limbs) :], windows.first, xy, stride)
        xy = torch.where((responses[..., None] > 0) & moves.isfinite().all(dim=-1, keepdim=True), xy + moves, xy)
    types = [start for start, _ in limbs]
    offsets = _read(windows.vectors[:, : len(limbs)], windows.first[:, types], xy[:, types], stride)
    return Candidates(xy, responses, xy[:, types] + offsets)


def _read(vectors: torch.Tensor, first: torch.Tensor, xy: torch.Tensor, stride: int) -> torch.Tensor:
    """Read ``(B, V, n, 2, 6, 6)`` windows bilinearly at ``(B, V, n, 2)`` points: each is a map of its own."""
    places = xy - stride * first  # px from the begin of the window
    return read_vectors(vectors.flatten(0, 2)[:, None], places.reshape(-1, 1, 1, 2), stride).reshape(xy.shape)
