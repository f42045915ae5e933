"""Vector maps: on the cells around some points, vectors from each cell to a goal."""

from __future__ import annotations

import numpy as np

from gog_pose.maps.windows import windows_around


def vector_marks(
    start: np.ndarray,
    goal: np.ndarray,
    weights: np.ndarray,
    channels: np.ndarray,
    *,
    num_channels: int,
    map_size: tuple[int, int],
    stride: int,
    support: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Compute ``goal - cell`` on the ``support x support`` cells around each start; the nearest start owns a cell.

    Two starts at the same distance from a cell, as integer keypoints often have, are told apart by what they would
    draw (the smaller weight, then the goal further left, further up, owns it), never by their order.

    Args:
        start: ``(2, N)`` float32 points that the supports lie around, px of the input image.
        goal: ``(2, N)`` float32 points that their cells point at, px of the input image.
        weights: ``(N,)`` float32, what their cells count in the loss.
        channels: ``(N,)`` int64 below ``num_channels``, the map of each.
        num_channels: C, how many maps there are.
        map_size: ``(h, w)`` cells.
        stride: Input px a cell.
        support: Cells a side, odd.

    Returns:
        ``(M,)`` int64 places in flattened ``(3C, h, w)`` maps, none of them twice, and ``(M,)`` float32 values: first
        the vectors, px of the input image, ``x_0, y_0, x_1, ...``, then the weights.
    """
    windows = windows_around(start, 2 * channels, support // 2, map_size=map_size, stride=stride)
    squared = np.where(windows.inside, (windows.lines - start[:, None]) ** 2, np.float32(np.inf))  # (2, S, N) px^2
    distance = squared[1][:, None] + squared[0]
    area = map_size[0] * map_size[1]
    owned = nearest_owners(windows.places, distance, np.lexsort((goal[1], goal[0], weights)), 2 * num_channels * area)

    places, values = np.empty((3, *distance.shape), dtype=np.int64), np.empty((3, *distance.shape), dtype=np.float32)
    places[0] = windows.places
    np.add(windows.places, area, out=places[1])  # a map of y lies after each map of x
    np.add(windows.places, (2 * num_channels - channels) * area, out=places[2])  # the maps of weights after those
    vectors = goal[:, None] - windows.lines  # (2, S, N)
    values[0], values[1], values[2] = vectors[0], vectors[1][:, None], weights
    return places.reshape(3, -1).take(owned, axis=1).ravel(), values.reshape(3, -1).take(owned, axis=1).ravel()


def nearest_owners(places: np.ndarray, distance: np.ndarray, order: np.ndarray, num_places: int) -> np.ndarray:
    """Return for each distinct place the flat index of the smallest distance there; of equal ones, the first by order.

    Args:
        places: ``(S, S, N)`` int64.
        distance: ``(S, S, N)`` float32, none negative; infinite where there is no place.
        order: ``(N,)`` int64 permutation.
        num_places: All places are smaller.
    """
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    # Floats of 0 and more are ordered as their bits are; below the bits there is room for the rank.
    keys = ((distance.view(np.int32).astype(np.int64) << 32) + rank).ravel()
    candidates = np.flatnonzero(distance < np.inf)
    places, keys = places.ravel().take(candidates), keys.take(candidates)
    smallest = np.empty(num_places, dtype=np.int64)  # set only where it is read
    smallest[places] = keys
    np.minimum.at(smallest, places, keys)
    owned: np.ndarray = candidates[keys == smallest.take(places)]
    return owned
