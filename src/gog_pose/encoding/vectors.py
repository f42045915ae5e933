"""Vector maps: on the cells around some points, vectors from each cell to a goal."""

from __future__ import annotations

import numpy as np

from gog_pose.encoding.window import windows_around


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
        start: ``(N, 2)`` float32 points that the supports lie around, px of the input image.
        goal: ``(N, 2)`` float32 points that their cells point at, px of the input image.
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
    order = np.lexsort((goal[:, 1], goal[:, 0], weights))
    start, goal, weights, channels = start[order], goal[order], weights[order], channels[order]

    windows = windows_around(start, channels, support // 2, map_size=map_size, stride=stride)
    squared = (windows.lines - start[:, :, None]) ** 2  # (N, 2, S) px^2
    distance = squared[:, 1, :, None] + squared[:, 0, None, :]
    area = map_size[0] * map_size[1]
    inside = np.flatnonzero(windows.inside)
    owned = inside[_owners(windows.places.ravel().take(inside), distance.ravel().take(inside), num_channels * area)]

    def of_owned(values: np.ndarray) -> np.ndarray:
        chosen: np.ndarray = np.broadcast_to(values, distance.shape).ravel().take(owned)
        return chosen

    vectors = goal[:, :, None] - windows.lines  # (N, 2, S)
    place = of_owned(windows.places)
    x_place = place + of_owned((channels * area)[:, None, None])  # a map of y lies after each map of x
    return (
        np.concatenate([x_place, x_place + area, place + 2 * num_channels * area]),
        np.concatenate(
            [of_owned(vectors[:, 0, None, :]), of_owned(vectors[:, 1, :, None]), of_owned(weights[:, None, None])]
        ),
    )


def _owners(places: np.ndarray, distance: np.ndarray, num_places: int) -> np.ndarray:
    """Return for each distinct place the index of the smallest distance there, and of those the first."""
    smallest = np.empty(num_places, dtype=distance.dtype)  # set only where it is read
    smallest[places] = np.inf
    np.minimum.at(smallest, places, distance)
    nearest = np.flatnonzero(distance == smallest.take(places))
    places = places.take(nearest)
    first = np.empty(num_places, dtype=np.int64)
    first[places[::-1]] = nearest[::-1]  # of several, the last assignment stays
    owners: np.ndarray = nearest[first.take(places) == nearest]
    return owners
