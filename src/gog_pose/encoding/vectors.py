"""Vector maps: on the cells around some points, vectors from each cell to a goal."""

from __future__ import annotations

import torch

from gog_pose.encoding.window import windows_around


def draw_vectors(
    start: torch.Tensor,
    goal: torch.Tensor,
    weights: torch.Tensor,
    channels: torch.Tensor,
    *,
    size: tuple[int, int, int],
    stride: int,
    support: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw ``goal - cell`` on the ``support x support`` cells around each start; the nearest start owns a cell.

    Two starts at the same distance from a cell, as integer keypoints often have, are told apart by what they would
    draw (the smaller weight, then the goal further left, further up, owns it), never by their order.

    Args:
        start: ``(N, 2)`` points that the supports lie around, px of the input image.
        goal: ``(N, 2)`` points that their cells point at, px of the input image.
        weights: ``(N,)`` what their cells count in the loss.
        channels: ``(N,)`` int64, the map of each.
        size: ``(C, h, w)`` of the weights.
        stride: Input px a cell.
        support: Cells a side, odd.

    Returns:
        ``(2C, h, w)`` vectors, px of the input image, ``x_0, y_0, x_1, ...``, and ``(C, h, w)`` weights; both 0 outside
        of all supports.
    """
    num_channels, height, width = size
    order = _order(weights, goal[:, 0], goal[:, 1])
    start, goal, weights, channels = start[order], goal[order], weights[order], channels[order]

    windows = windows_around(start, channels, support // 2, size=size, stride=stride)
    squared = (windows.lines - start[:, :, None]).square()  # (N, 2, S) px^2
    distance = squared[:, 1, :, None] + squared[:, 0, None, :]
    weight_maps = torch.zeros((num_channels + 1, height, width), device=start.device)
    spare = num_channels * height * width
    owned = _owned(windows.places, distance, scratch=weight_maps.view(-1)) & (windows.places < spare)

    # Cells owned by another start go to the spare channel, as those off the map do.
    places = torch.where(owned, windows.places, spare)
    weight_maps.view(-1).scatter_(0, places.view(-1), _spread(weights[:, None, None], places))
    vectors = goal[:, :, None] - windows.lines  # (N, 2, S)
    x_places = places + torch.where(owned, channels[:, None, None], num_channels) * (height * width)
    y_places = x_places + height * width
    vector_maps = torch.zeros((num_channels + 1, 2, height * width), device=start.device)
    vector_maps.view(-1).scatter_(0, x_places.view(-1), _spread(vectors[:, 0, None, :], places))
    vector_maps.view(-1).scatter_(0, y_places.view(-1), _spread(vectors[:, 1, :, None], places))
    return vector_maps[:-1].view(2 * num_channels, height, width), weight_maps[:-1]


def _order(*keys: torch.Tensor) -> torch.Tensor:
    """Return the permutation that sorts by the first key, then by the second, and so on."""
    order = torch.arange(len(keys[0]), device=keys[0].device)
    for key in reversed(keys):
        order = order[key[order].argsort(stable=True)]
    return order


def _owned(places: torch.Tensor, distance: torch.Tensor, scratch: torch.Tensor) -> torch.Tensor:
    """Find who owns each place: the window at the smallest distance, the first of those.

    Args:
        places: ``(N, S, S)`` int64.
        distance: ``(N, S, S)`` of each place from the point its window lies around.
        scratch: One float32 a place; what it holds is lost.

    Returns:
        ``(N, S, S)`` True for exactly one window at each place.
    """
    nearest = distance == _smallest(places, distance, scratch)
    rank = torch.arange(len(places), dtype=torch.float32, device=places.device)[:, None, None]
    rank = torch.where(nearest, rank, torch.inf)
    return nearest & (rank == _smallest(places, rank, scratch))


def _smallest(places: torch.Tensor, values: torch.Tensor, scratch: torch.Tensor) -> torch.Tensor:
    """Return, for each of ``(N, S, S)`` values, the smallest of those with the same place."""
    scratch.scatter_reduce_(0, places.view(-1), values.view(-1), reduce="amin", include_self=False)
    return scratch.take(places)


def _spread(values: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return values.expand(like.shape).reshape(-1)
