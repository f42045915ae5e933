"""The candidates of a ``GogDecoder`` by tensor operations of fixed shape alone: what can be exported with a network.

``peaks.py``, ``localise.py`` and ``limbs.py`` look only where a peak can be, which is fast on a CPU but no graph of
tensor operations. Here all of the heatmaps is interpolated, and every type has k candidates, of which those with a
response of 0 are none. Both find the same peaks but for rounding, since the maps are interpolated in float32 here:
where two pixels tie, ``bicubic`` and ``bilinear`` may take one of them for both; ``subpixel`` climbs to their centre.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch._higher_order_ops.while_loop import while_loop

from gog_pose.decoding.decoder import Candidates, GogDecoder
from gog_pose.decoding.localise import FLAT, STEPS, STILL, STUCK, TAPS, cubic_bias
from gog_pose.decoding.peaks import LIMIT
from gog_pose.decoding.surface import SLOPE, weights_between
from gog_pose.errors import InputError
from gog_pose.geometry import cells_to_image, image_to_cells
from gog_pose.records import PoseMaps

_LOCALISERS = ("bicubic", "bilinear", "subpixel", "cell")
_TINY = torch.finfo(torch.float64).tiny
_TABLE = 1025  # places between two cells at which the bias of cubic interpolation is tabled
_WINDOW = torch.arange(-1, 2)  # pixels around a peak
_SHIFT = torch.tensor([[-1.0, 0.0, 1.0]]).expand(3, 3)  # x of the pixels next to a peak; y when transposed


class CandidateGraph(nn.Module):
    """``GogDecoder.candidates`` for ``torch.export``, with the same options and k candidates of every type.

    Args:
        decoder: Whose candidates they are.

    Raises:
        InputError: The decoder's localiser has no form of fixed shape.
    """

    weights: torch.Tensor
    bias: torch.Tensor

    def __init__(self, decoder: GogDecoder) -> None:
        super().__init__()
        if decoder.localiser not in _LOCALISERS:
            raise InputError(
                f"decoder.localiser: {decoder.localiser} cannot be exported; choose {', '.join(_LOCALISERS)}"
            )
        self.decoder = decoder
        interpolation = "bilinear" if decoder.localiser == "bilinear" else "bicubic"
        weights = torch.from_numpy(_pixel_weights(decoder.stride, interpolation)).float()
        self.register_buffer("weights", weights, persistent=False)
        table = np.interp(np.linspace(0, 1, _TABLE), *cubic_bias(decoder.sigma / decoder.stride))
        self.register_buffer("bias", torch.from_numpy(table), persistent=False)

    def forward(self, maps: PoseMaps) -> Candidates:
        """Find the peaks and follow the offsets of a batch.

        Args:
            maps: ``(B, K, h, w)`` heatmaps, ``(B, 2L, h, w)`` offsets and, if the decoder refines, refinement offsets.
        """
        stride, localiser = self.decoder.stride, self.decoder.localiser
        heatmaps = torch.nan_to_num(maps.heatmaps.float(), nan=0.0, posinf=0.0, neginf=0.0).clamp(-LIMIT, LIMIT)
        pixels = heatmaps
        if localiser != "cell":
            pixels = _upsampled(heatmaps, self.weights)
        xy, responses = _highest_peaks(pixels, self.decoder.topk, self.decoder.threshold)
        if localiser == "cell":
            xy = cells_to_image(xy, stride)
        if localiser == "subpixel":
            cells, responses = _climb(heatmaps, image_to_cells(xy.double(), stride), responses, 1 / stride)
            xy = cells_to_image(self._unbiased(cells), stride).float()
        if self.decoder.refine:
            assert maps.refinements is not None
            moves = _read_vectors(maps.refinements[:, None], xy.flatten(1, 2)[:, None], stride).reshape(xy.shape)
            xy = xy + torch.where(moves.isfinite().all(dim=-1, keepdim=True), moves, 0)
        xy = torch.where(responses[..., None] > 0, xy, 0)
        starts = xy[:, [start for start, _ in self.decoder.skeleton.limbs]]
        offsets = maps.offsets.float().reshape(*starts.shape[:2], 2, *maps.offsets.shape[2:])
        return Candidates(xy, responses, starts + _read_vectors(offsets, starts, stride))

    def _unbiased(self, cells: torch.Tensor) -> torch.Tensor:
        """Do what ``unbias`` does, by a table of equal steps."""
        low = cells.floor()
        place = (cells - low) * (_TABLE - 1)
        step = place.floor().clamp(0, _TABLE - 2)
        index = step.long()
        start, end = self.bias[index], self.bias[index + 1]
        return low + start + (place - step) * (end - start)


def _pixel_weights(stride: int, interpolation: str) -> np.ndarray:
    """Return ``(R, 5)`` weights along one axis: the pixels of a cell x that cell, two before it and two after it."""
    places = image_to_cells(np.arange(stride, dtype=np.float64), stride)
    low = np.floor(places).astype(np.intp)
    weights = np.zeros((stride, 5))
    weights[np.arange(stride)[:, None], 1 + low[:, None] + np.arange(4)] = weights_between(places - low, interpolation)
    return weights


def _upsampled(maps: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Do what ``F.interpolate`` does, whose counterpart in ONNX Runtime takes five times as long.

    Args:
        maps: ``(B, K, h, w)``.
        weights: ``(R, 5)``.

    Returns:
        ``(B, K, R h, R w)``.
    """
    height, width = maps.shape[2:]
    columns = F.conv2d(F.pad(maps.flatten(0, 1)[:, None], (0, 0, 2, 2), mode="replicate"), weights[:, None, :, None])
    columns = columns.transpose(1, 2).flatten(1, 2)[:, None]  # (B K, 1, R h, w)
    pixels = F.conv2d(F.pad(columns, (2, 2, 0, 0), mode="replicate"), weights[:, None, None])
    return pixels.movedim(1, 3).reshape(*maps.shape[:2], len(weights) * height, len(weights) * width)


def _highest_peaks(pixels: torch.Tensor, topk: int, threshold: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Find the k highest pixels that no neighbour exceeds.

    Of equal neighbours the first in reading order stands for all, at the centre of those in its window; where a
    neighbour exceeds one of the equals, none of them is a peak.

    Args:
        pixels: ``(B, K, H, W)``.
        topk: k.
        threshold: Lowest response of a peak.

    Returns:
        ``(B, K, k, 2)`` x and y and ``(B, K, k)`` responses, 0 where there is no peak.
    """
    summits = pixels >= _highest_near(pixels)
    # The first of equals alone takes one of the k places, and none of those that stand by a higher one does.
    framed = F.pad(pixels, (1, 1, 1, 0), value=-math.inf)
    above = F.max_pool2d(framed[..., :-1, :], (1, 3), stride=1)
    first = pixels > torch.maximum(above, framed[..., 1:, :-2])
    whole = pixels > _highest_near(torch.where(summits, -math.inf, pixels))
    responses, places = torch.where(summits & first & whole, pixels, 0).flatten(2).topk(topk)
    width = pixels.shape[3]
    y = places.div(width, rounding_mode="floor")
    x = places - y * width

    framed = F.pad(pixels, (1, 1, 1, 1), value=-math.inf)
    rows = (y[..., None] + 1 + _WINDOW) * (width + 2)
    near = _gather(framed, rows[..., :, None] + (x[..., None] + 1 + _WINDOW)[..., None, :])
    tied = near == near[..., 1:2, 1:2]
    shift = torch.stack([(tied * axis).sum(dim=(-2, -1)) for axis in (_SHIFT, _SHIFT.mT)], dim=-1)
    centre = torch.stack([x, y], dim=-1) + shift / tied.sum(dim=(-2, -1))[..., None]
    return centre, torch.where(responses >= threshold, responses, 0)


def _highest_near(pixels: torch.Tensor) -> torch.Tensor:
    """Return the highest pixel of the 3x3 window of each."""
    return F.max_pool2d(pixels, 3, stride=1, padding=1)


def _climb(
    heatmaps: torch.Tensor, start: torch.Tensor, responses: torch.Tensor, pixel: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Do what ``climb`` does, with one number of steps for all peaks.

    Args:
        heatmaps: ``(B, K, h, w)``.
        start: ``(B, K, k, 2)`` float64 peaks, cells.
        responses: ``(B, K, k)``; where 0, it stays 0.
        pixel: Its side, cells.

    Returns:
        ``(B, K, k, 2)`` float64 maxima, cells, and ``(B, K, k)`` float32 responses there.
    """
    size = torch.tensor([heatmaps.shape[3], heatmaps.shape[2]], device=heatmaps.device)
    base = start.floor() - 2
    taps = torch.arange(TAPS)
    columns, rows = ((base[..., axis, None].long() + taps).clamp(min=0).minimum(size[axis] - 1) for axis in range(2))
    cells = _gather(heatmaps, rows[..., :, None] * heatmaps.shape[3] + columns[..., None, :]).double()
    place = start - base
    low = torch.maximum(place - pixel, -0.5 - base)
    high = torch.minimum(place + pixel, size - 0.5 - base)

    def climbing(steps: torch.Tensor, *state: torch.Tensor) -> torch.Tensor:
        return (steps < STEPS) & state[-1].any()

    def step(
        steps: torch.Tensor, place: torch.Tensor, jets: torch.Tensor, damping: torch.Tensor, moving: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        uphill = _ascent(jets, place <= low, place >= high, pixel)
        target = (place + damping[..., None] * uphill).maximum(low).minimum(high)
        arrived = _jets(cells, target)
        higher = arrived[..., 0, 0] >= jets[..., 0, 0]
        moved = (target - place).abs().amax(dim=-1)
        goes_on = moving & (uphill.abs().amax(dim=-1) > STILL) & (moved > STUCK)
        up = moving & higher
        place = torch.where(up[..., None], target, place)
        jets = torch.where(up[..., None, None], arrived, jets)
        return steps + 1, place, jets, torch.where(higher, 1, damping / 4), goes_on

    state = torch.tensor(0), place, _jets(cells, place), torch.ones_like(place[..., 0]), responses > 0
    _, place, jets, _, _ = _repeat(climbing, step, state)
    return place + base, torch.where(responses > 0, jets[..., 0, 0].float(), 0)


def _repeat(
    condition: Callable[..., torch.Tensor],
    body: Callable[..., tuple[torch.Tensor, ...]],
    state: tuple[torch.Tensor, ...],
) -> tuple[torch.Tensor, ...]:
    """Replace the state by what the body makes of it while the condition holds."""
    if torch.compiler.is_exporting():  # as a loop in the graph
        return while_loop(condition, body, state)  # type: ignore[no-untyped-call,no-any-return]
    while condition(*state):
        state = body(*state)
    return state


def _jets(cells: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """Return ``(..., 3, 3)`` of bicubic surfaces: derived i times along y and j times along x, per cell.

    Args:
        cells: ``(..., 6, 6)`` responses.
        place: ``(..., 2)`` x and y from the first of them, 1 to 4 cells.
    """
    distance = place[..., None] - torch.arange(TAPS)
    d = distance.abs()
    # Keys' kernel and its derivatives, between the two cells and beyond them.
    a = -SLOPE
    near = (((a + 2) * d - (a + 3)) * d * d + 1, (3 * (a + 2) * d - 2 * (a + 3)) * d, 6 * (a + 2) * d - 2 * (a + 3))
    far = (a * (((d - 5) * d + 8) * d - 4), a * ((3 * d - 10) * d + 8), a * (6 * d - 10))
    within = (distance >= -2) & (distance < 2)  # of a place on a cell the four cells are those of the next piece
    weights = [torch.where(d < 1, inner, torch.where(within, outer, 0)) for inner, outer in zip(near, far, strict=True)]
    weights[1] = weights[1] * distance.sign()
    along = torch.stack(weights, dim=-2)  # (..., 2, 3, 6)
    return along[..., 1, :, :] @ cells @ along[..., 0, :, :].mT


def _ascent(jets: torch.Tensor, lowest: torch.Tensor, highest: torch.Tensor, longest: float) -> torch.Tensor:
    """Return steps uphill as ``_ascent`` of ``localise.py`` does; ``...`` in place of N."""
    slope = torch.stack([jets[..., 0, 1], jets[..., 1, 0]], dim=-1)
    held = (lowest & (slope <= 0)) | (highest & (slope >= 0))
    x, y = torch.where(held, 0, slope).unbind(-1)
    bend = torch.stack([jets[..., 0, 2], jets[..., 2, 0]], dim=-1)
    xx, yy = torch.where(held, -1, bend).unbind(-1)
    xy = torch.where(held.any(dim=-1), 0, jets[..., 1, 1])
    determinant = (xx * yy - xy * xy).abs()
    size = (xx * xx + 2 * xy * xy + yy * yy + 2 * determinant).clamp(min=_TINY).sqrt()
    trace = xx + yy
    xx, yy = ((bend * bend + xy * xy + determinant) / size + FLAT for bend in (xx, yy))
    xy = xy * trace / size
    step = torch.stack([yy * x - xy * y, xx * y - xy * x], dim=-1)
    step = step / (xx * yy - xy * xy).clamp(min=FLAT**2)[..., None]
    return step * (longest / step.abs().amax(dim=-1, keepdim=True).clamp(min=_TINY)).clamp(max=1)


def _read_vectors(maps: torch.Tensor, xy: torch.Tensor, stride: int) -> torch.Tensor:
    """Read ``(B, L, 2, h, w)`` maps bilinearly at ``(B, L, n, 2)`` points, as ``read_vectors`` does."""
    height, width = maps.shape[3:]
    last = torch.tensor([width - 1, height - 1], device=maps.device)
    cells = image_to_cells(xy, stride).clamp(min=0).minimum(last)
    low = cells.floor()
    t = cells - low
    (left, top), (right, bottom) = (corner.long().unbind(-1) for corner in (low, (low + 1).minimum(last)))
    x, y = t[:, :, None].unbind(-1)  # (B, L, 1, n)
    sides = []
    for row in (top, bottom):
        places = ((row * width + column)[:, :, None].expand(-1, -1, 2, -1) for column in (left, right))
        start, end = (_gather(maps, place) for place in places)
        sides.append(start + x * (end - start))
    return (sides[0] + y * (sides[1] - sides[0])).mT


def _gather(maps: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Return the values of ``(..., h, w)`` maps at places in the flattened maps, of any shape behind ``...``."""
    lead = maps.dim() - 2
    return maps.flatten(lead).gather(lead, places.flatten(lead)).reshape(places.shape)
