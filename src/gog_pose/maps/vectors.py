"""Vector maps: vectors from the cells around points to goals."""

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

    If two starts are equally near to a cell, which is common for integer keypoints, the smaller weight owns it, then
    the goal further left, then the one further up. The result does not depend on the order of the starts.

    Args:
        start: ``(2, N)`` float32 centers of the supports, px of the input image.
        goal: ``(2, N)`` float32 ends of the vectors, px of the input image.
        weights: ``(N,)`` float32 weights of their cells in the loss.
        channels: ``(N,)`` int64 below ``num_channels``, the vector map of each start.
        num_channels: C, number of vector maps.
        map_size: ``(h, w)`` cells.
        stride: Px of the input image per cell.
        support: Cells per side, odd.

    Returns:
        ``(M,)`` int64 distinct indices into flattened ``(3C, h, w)`` maps, and ``(M,)`` float32 values: first the
        vectors, px of the input image, ``x_0, y_0, x_1, ...``, then the weights.
    """
    windows = windows_around(start, 2 * channels, support // 2, map_size=map_size, stride=stride)
    squared = np.where(windows.inside, (windows.lines - start[:, None]) ** 2, np.float32(np.inf))  # (2, S, N) px^2
    distance = squared[1][:, None] + squared[0]
    area = map_size[0] * map_size[1]
    owned = nearest_owners(windows.places, distance, np.lexsort((goal[1], goal[0], weights)), 2 * num_channels * area)

    places, values = np.empty((3, *distance.shape), dtype=np.int64), np.empty((3, *distance.shape), dtype=np.float32)
    places[0] = windows.places
    np.add(windows.places, area, out=places[1])  # each map of x is followed by its map of y
    np.add(windows.places, (2 * num_channels - channels) * area, out=places[2])  # the weights follow all vectors
    vectors = goal[:, None] - windows.lines  # (2, S, N)
    values[0], values[1], values[2] = vectors[0], vectors[1][:, None], weights
    return places.reshape(3, -1).take(owned, axis=1).ravel(), values.reshape(3, -1).take(owned, axis=1).ravel()


def nearest_owners(places: np.ndarray, distance: np.ndarray, order: np.ndarray, num_places: int) -> np.ndarray:
    """Return for each distinct place the flat index of its smallest distance; ties are resolved by ``order``.

    Args:
        places: ``(S, S, N)`` int64 indices into flattened maps.
        distance: ``(S, S, N)`` float32, not negative; infinite where the place is outside of the map.
        order: ``(N,)`` int64 permutation; the first wins.
        num_places: Upper bound of all places, exclusive.
    """
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    # Non-negative floats have the order of their bits; the rank goes into the lower half of the key.
    keys = ((distance.view(np.int32).astype(np.int64) << 32) + rank).ravel()
    candidates = np.flatnonzero(distance < np.inf)
    places, keys = places.ravel().take(candidates), keys.take(candidates)
    smallest = np.empty(num_places, dtype=np.int64)  # initialized only where it is read
    smallest[places] = keys
    np.minimum.at(smallest, places, keys)
    owned: np.ndarray = candidates[keys == smallest.take(places)]
    return owned
