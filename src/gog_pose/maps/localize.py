"""Keypoint positions between cells: refinement of peaks and interpolation of vectors (Table 2).

The functions take N peaks as flat arrays, and for each peak a window: the square of cells that its position depends on.
``windows`` cuts these out of M maps, where ``source (N,)`` is the index of the map of each peak; an exported network
outputs them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from gog_pose.geometry import cells_to_image, image_to_cells
from gog_pose.maps.surface import CUBIC

if TYPE_CHECKING:
    import torch

_STEPS = 30  # of Newton's method; Gaussians take two, ridges of noise up to twenty
_STILL = 1e-3  # cells; Newton's error is squared at each step, so that it is 1e-6 after a step shorter than this
_STUCK = 1e-6  # cells; a peak stays where it is if even such a short step does not lead higher
_TABLE = 1025  # positions between two cells in the table of the bias of cubic interpolation
_FLAT = 1e-9  # per cell^2; second derivatives below this count as 0
TAPS = 6  # cells per side of the window on which the surface around a peak depends
BEFORE = 2  # of them lie before the cell of the peak
_PATCH = np.arange(-1, 3)  # offsets of the cells on which the surface between two cells depends
# (1, t, t^2, t^3) @ _CUBIC_JET: the weights of these four cells for the surface, its slope and its second derivative.
_CUBIC_JET: np.ndarray = np.zeros((4, 3, 4))
_CUBIC_JET[:, 0] = CUBIC
_CUBIC_JET[:3, 1] = CUBIC[1:] * [[1], [2], [3]]
_CUBIC_JET[:2, 2] = CUBIC[2:] * [[2], [6]]
_CUBIC_JET = _CUBIC_JET.reshape(4, 12)
_TINY = float(np.finfo(np.float64).tiny)
_LOWEST_LOG = 1e-10  # lower limit of smoothed responses before the logarithm


def first_cells(xy: np.ndarray, stride: int) -> np.ndarray:
    """Return the first cells, ``(N, 2)`` (x, y) as floats, of the windows of ``climb`` around ``(N, 2)`` px."""
    return np.asarray(np.floor(image_to_cells(xy.astype(np.float64), stride)) - BEFORE)


def windows(maps: np.ndarray, source: np.ndarray, first: np.ndarray, side: int) -> np.ndarray:
    """Cut windows out of maps.

    Args:
        maps: ``(M, h, w)``.
        source: ``(N,)`` the map of each window.
        first: ``(N, 2)`` the first cell (x, y) of each window.
        side: Cells per side.

    Returns:
        ``(N, side, side)`` float64; the cells at the border of a map are repeated beyond it.
    """
    starts = first.astype(np.intp)
    columns, rows = (np.clip(starts[:, axis, None] + np.arange(side), 0, maps.shape[2 - axis] - 1) for axis in range(2))
    return np.asarray(maps[source[:, None, None], rows[:, :, None], columns[:, None, :]], dtype=np.float64)


def climb(
    cells: np.ndarray, first: np.ndarray, size: np.ndarray, xy: np.ndarray, stride: int
) -> tuple[np.ndarray, np.ndarray]:
    """Find the maximum of the continuous bicubic surface near its highest pixel.

    Newton's method runs on the piecewise cubic. It starts at the peak and stays within one pixel on each side, where
    the surface has a maximum because no pixel there is higher. A step that would descend is shortened.

    Args:
        cells: ``(N, 6, 6)`` finite responses, the window around each peak.
        first: ``(N, 2)`` the first cell (x, y) of each window, from ``first_cells``.
        size: ``(2,)`` or ``(N, 2)`` width and height of the map of each peak, cells.
        xy: ``(N, 2)`` peaks, px, input image.
        stride: Px of the input image per cell, R.

    Returns:
        ``(N, 2)`` float64 positions, px, input image, and ``(N,)`` float64 responses there.
    """
    place = image_to_cells(xy.astype(np.float64), stride) - first
    low = np.maximum(place - 1 / stride, -0.5 - first)  # the surface ends where the image does
    high = np.minimum(place + 1 / stride, size - 0.5 - first)

    jets = _jets(cells, place)
    moving, damping = np.arange(len(place)), np.ones(len(place))
    for _ in range(_STEPS):
        at, jet = place[moving], jets[moving]
        step = _ascent(jet, at <= low[moving], at >= high[moving], 1 / stride)
        target = np.minimum(np.maximum(at + damping[moving, None] * step, low[moving]), high[moving])
        arrived = _jets(cells[moving], target)
        higher = arrived[:, 0, 0] >= jet[:, 0, 0]
        damping[moving] = np.where(higher, 1, damping[moving] / 4)
        up = moving[higher]
        place[up], jets[up] = target[higher], arrived[higher]
        moved = np.abs(target - at).max(axis=1)
        moving = moving[(np.abs(step).max(axis=1) > _STILL) & (moved > _STUCK)]
        if not len(moving):
            break
    return cells_to_image(place + first, stride), jets[:, 0, 0]


def unbias(xy: np.ndarray, stride: int, sigma: float) -> np.ndarray:
    """Move maxima of the bicubic surface to the centers of the Gaussians that cause them.

    Cubic interpolation is not exact: it shifts the maximum of a Gaussian towards the nearest cell or the middle between
    two, by up to 0.07 cells per axis where sigma is 1.75 cells. The shift depends only on the position between the
    cells and on sigma; this function removes it.

    Args:
        xy: ``(N, 2)`` px, input image.
        stride: Px of the input image per cell, R.
        sigma: Standard deviation of the responses, px, input image.
    """
    cells = image_to_cells(xy, stride)
    low = np.floor(cells)
    return np.asarray(cells_to_image(low + np.interp(cells - low, *_cubic_bias(sigma / stride)), stride))


def taylor_reach(sigma: float) -> int:
    """Return the number of cells that ``taylor`` reads on each side of a peak; sigma in cells."""
    return math.ceil(3 * sigma) + 1


def taylor(maps: np.ndarray, source: np.ndarray, peak: np.ndarray, sigma: float) -> np.ndarray:
    """Refine cell peaks as DARK does, by the second-order expansion of the logarithm of the smoothed heatmap.

    Zhang et al., Distribution-Aware Coordinate Representation for Human Pose Estimation, 2020: the logarithm of a
    Gaussian is a parabola. Its maximum is ``m - H^-1 g``, with the gradient g and the Hessian H at the peak ``m``.
    Smoothing ("modulation") makes a network's responses more similar to a Gaussian. The paper then scales the result
    to the old maximum; that only adds a constant to the logarithm and is omitted. Because a map shows many people,
    only the window around each peak is smoothed. A peak is not moved if its neighborhood is not concave or the step is
    longer than one cell.

    Args:
        maps: ``(M, h, w)`` finite responses.
        source: ``(N,)`` the map of each peak.
        peak: ``(N, 2)`` the highest cells, or the center of equally high cells, cells.
        sigma: Standard deviation of the smoothing kernel, that of the targets, cells; 0 = no smoothing.

    Returns:
        ``(N, 2)`` float64 positions, cells.
    """
    reach = taylor_reach(sigma)
    return taylor_in_windows(windows(maps, source, np.rint(peak) - reach, 2 * reach + 1), peak, sigma)


def taylor_in_windows(cells: np.ndarray, peak: np.ndarray, sigma: float) -> np.ndarray:
    """Refine cell peaks like ``taylor``, from windows in place of maps.

    Args:
        cells: ``(N, S, S)`` finite responses: the window around the cell nearest to each peak, ``taylor_reach`` cells
            on each side of it.
        peak: ``(N, 2)`` as for ``taylor``.
        sigma: As for ``taylor``.
    """
    radius = taylor_reach(sigma) - 1
    taps = np.arange(-radius, radius + 1)
    kernel = np.exp(-(taps**2) / (2 * sigma**2)) if sigma else np.ones(1)
    smooth = np.stack([np.pad(kernel / kernel.sum(), (shift, 2 - shift)) for shift in range(3)])  # (3, taps + 2)
    around = np.log(np.maximum(smooth @ cells @ smooth.T, _LOWEST_LOG))  # (N, 3, 3)

    x = (around[:, 1, 2] - around[:, 1, 0]) / 2
    y = (around[:, 2, 1] - around[:, 0, 1]) / 2
    xx = around[:, 1, 2] - 2 * around[:, 1, 1] + around[:, 1, 0]
    yy = around[:, 2, 1] - 2 * around[:, 1, 1] + around[:, 0, 1]
    xy = (around[:, 2, 2] - around[:, 2, 0] - around[:, 0, 2] + around[:, 0, 0]) / 4
    determinant = xx * yy - xy * xy
    concave = (xx < 0) & (determinant > 0)
    safe = np.where(concave, determinant, 1)
    step = np.stack([(xy * y - yy * x) / safe, (xy * x - xx * y) / safe], axis=1)
    summit = concave & (np.abs(step) <= 1).all(axis=1)
    return np.where(summit[:, None], np.rint(peak) + step, peak)


def read_vectors(maps: torch.Tensor, xy: torch.Tensor, stride: int) -> torch.Tensor:
    """Read maps of vectors at points by bilinear interpolation, with the same values as upsampled maps.

    Args:
        maps: ``(B, L, 2, h, w)`` of any floating type, on any device; maps of other than 2 components, too.
        xy: ``(B, L, n, 2)`` px, input image.
        stride: Px of the input image per cell, R.

    Returns:
        ``(B, L, n, 2)`` float32, one value per component. The values of the outer cells continue beyond them. Results
        are not finite where the map is not.
    """
    import torch  # here, so that ``gog_pose.runtime`` works without it

    # Only the lookup runs on the device of the maps: the points are few, and accelerators are slow at small steps.
    places, t = _corners(maps.shape, xy.cpu().numpy(), stride)
    image, limb, rows, columns = (torch.from_numpy(index).to(maps.device) for index in places)
    corners = maps.detach()[image, limb, :, rows, columns].float().cpu().numpy()
    return torch.from_numpy(_between(corners, t)).to(maps.device)


def read_vector_arrays(maps: np.ndarray, xy: np.ndarray, stride: int) -> np.ndarray:
    """Read maps of vectors at points like ``read_vectors``, for NumPy arrays."""
    (image, limb, rows, columns), t = _corners(maps.shape, xy, stride)
    return _between(maps[image, limb, :, rows, columns], t)


def _corners(shape: Sequence[int], xy: np.ndarray, stride: int) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """Return the indices of the four cells around each point, and its ``(B, L, n, 2, 1)`` fractions between them."""
    last = np.array([shape[-1] - 1, shape[-2] - 1], dtype=np.float32)
    cells = np.minimum(np.maximum(image_to_cells(xy, stride), 0), last)
    low = np.floor(cells)
    columns, rows = np.moveaxis(np.stack([low, np.minimum(low + 1, last)]), -1, 0).astype(np.int64)  # (2, B, L, n) each
    image, limb = np.arange(xy.shape[0])[:, None, None], np.arange(xy.shape[1])[:, None]
    return (image, limb, rows[:, None], columns[None]), (cells - low)[..., None]


def _between(corners: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Interpolate between ``(2, 2, B, L, n, 2)`` vectors; the first two axes are y and x of the corner."""
    with np.errstate(invalid="ignore", over="ignore"):  # maps may hold values that are not finite
        sides = corners[:, 0] + t[..., 0, :] * (corners[:, 1] - corners[:, 0])
        return np.asarray(sides[0] + t[..., 1, :] * (sides[1] - sides[0]))


@lru_cache(maxsize=8)
def _cubic_bias(sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Return ``(T,)`` positions of interpolated maxima between two cells and ``(T,)`` centers of their Gaussians."""
    center = np.linspace(0, 1, _TABLE)
    squared = (np.array([-1, 0, 1, 2])[:, None] - center) ** 2
    before, start, end, after = np.exp((squared.min(axis=0) - squared) / (2 * sigma**2))  # 1 at the nearest cell
    a, b, c = _CUBIC_JET[:3, 4:8] @ np.stack([before, start, end, after])  # the slope is a + b t + c t^2
    # The root where the slope falls, in the form without cancellation.
    maximum = 2 * a / (np.sqrt(np.maximum(b * b - 4 * a * c, 0)) - b)
    return maximum, center


def _jets(cells: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Evaluate bicubic surfaces and their derivatives, one point each.

    Args:
        cells: ``(N, 6, 6)`` responses.
        place: ``(N, 2)`` x and y relative to the first cell, 1 to 4 cells.

    Returns:
        ``(N, 3, 3)``: entry (i, j) is the i-th derivative along y and the j-th along x, per cell.
    """
    low = np.minimum(place.astype(np.intp), 3)
    t = place - low
    powers = np.ones((len(place), 2, 4))
    powers[..., 1], powers[..., 2], powers[..., 3] = t, t * t, t * t * t
    weights = (powers @ _CUBIC_JET).reshape(-1, 2, 3, 4)
    columns, rows = (low[:, axis, None] + _PATCH for axis in range(2))
    patch = cells[np.arange(len(place))[:, None, None], rows[:, :, None], columns[:, None, :]]
    return np.asarray(weights[:, 1] @ patch @ weights[:, 0].swapaxes(1, 2))


def _ascent(jets: np.ndarray, lowest: np.ndarray, highest: np.ndarray, longest: float) -> np.ndarray:
    """Return ``(N, 2)`` uphill steps, cells: Newton steps with the absolute value ``|H|`` of the Hessian.

    Where the surface is concave, this is Newton's method. Elsewhere, as on a ridge, the steps still lead uphill: they
    are long along the ridge and short across it, where steps along the gradient would oscillate.

    Args:
        jets: ``(N, 3, 3)`` output of ``_jets``.
        lowest: ``(N, 2)`` True where x or y cannot decrease.
        highest: ``(N, 2)`` True where x or y cannot increase.
        longest: Largest step along x or y, cells.
    """
    slope = jets[:, [0, 1], [1, 0]]
    held = (lowest & (slope <= 0)) | (highest & (slope >= 0))
    x, y = np.where(held, 0, slope).T
    xx, yy = np.where(held, -1, jets[:, [0, 2], [2, 0]]).T
    xy = np.where(held.any(axis=1), 0, jets[:, 1, 1])
    determinant = np.abs(xx * yy - xy * xy)
    # |H| = (H H + |det H|) / sqrt(tr H H + 2 |det H|), because both sides have the eigenvectors of H.
    size = np.sqrt(np.maximum(xx * xx + 2 * xy * xy + yy * yy + 2 * determinant, _TINY))
    trace = xx + yy
    xx, yy = ((bend * bend + xy * xy + determinant) / size + _FLAT for bend in (xx, yy))
    xy = xy * trace / size
    step = np.stack([yy * x - xy * y, xx * y - xy * x], axis=1) / np.maximum(xx * yy - xy * xy, _FLAT**2)[:, None]
    return np.asarray(step * np.minimum(1, longest / np.maximum(np.abs(step).max(axis=1, keepdims=True), _TINY)))
