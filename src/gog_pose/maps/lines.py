"""Line responses: highest on the line between two points, lower on both sides of it."""

from __future__ import annotations

import numpy as np

from gog_pose.geometry import cells_to_image
from gog_pose.maps.windows import nearest_cells


def line_marks(
    start: np.ndarray,
    end: np.ndarray,
    channels: np.ndarray,
    *,
    map_size: tuple[int, int],
    stride: int,
    sigma: float,
    min_response: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the response of each line between two points.

    The value of a cell is ``exp(-D^2 / 2 sigma^2)``, where ``D`` is the distance from its center in the input image to
    the straight line through both points. Cells outside the bounding box of the points, enlarged by one stride on each
    side, have no response. Lines of length 0 are omitted.

    Args:
        start: ``(2, N)`` points, px of the input image.
        end: ``(2, N)`` points, px of the input image.
        channels: ``(N,)`` int64, the map of each line.
        map_size: ``(h, w)`` cells.
        stride: Px of the input image per cell.
        sigma: Standard deviation across the line, px of the input image.
        min_response: Smaller responses are omitted.

    Returns:
        ``(M,)`` int64 indices into flattened ``(C, h, w)`` maps, and ``(M,)`` float32 responses. An index can occur
        several times; the largest response counts.
    """
    start, end = start.astype(np.float64), end.astype(np.float64)
    length = np.hypot(*(end - start))
    last = np.array(map_size[::-1])[:, None] - 1
    # The cells at the corners of the rectangle, on the map or one cell beyond it.
    first = nearest_cells(np.minimum(start, end) - stride, stride).clip(0, last + 1).astype(np.int64)
    corner = nearest_cells(np.maximum(start, end) + stride, stride).clip(-1, last).astype(np.int64)
    width, height = np.maximum(corner - first + 1, 0)
    count = np.where(length > 0, width * height, 0)

    line = np.repeat(np.arange(len(count)), count)
    step = np.arange(len(line)) - np.repeat(np.cumsum(count) - count, count)
    row, column = np.divmod(step, width[line])
    column, row = column + first[0, line], row + first[1, line]
    # D = a x + b y + c with the unit normal (a, b).
    a, b = (end - start)[::-1] * np.array([[1.0], [-1.0]]) / np.where(length > 0, length, 1)
    c = -(a * start[0] + b * start[1])
    x, y = cells_to_image(column.astype(np.float64), stride), cells_to_image(row.astype(np.float64), stride)
    responses = np.exp((a[line] * x + b[line] * y + c[line]) ** 2 / (-2 * sigma**2)).astype(np.float32)
    drawn = np.flatnonzero(responses >= min_response)
    places = (channels[line] * map_size[0] + row) * map_size[1] + column
    return places[drawn], responses[drawn]
