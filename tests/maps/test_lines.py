"""Responses along lines: against the definition cell by cell, hand-computed, mirrored."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gog_pose.maps.lines import line_marks
from gog_pose.maps.surface import CUBIC, blocks_above, read_surface, whole_maps

SIZE = (12, 16)


def drawn(starts, ends, channels=None, **options):
    start, end = (np.array(points, dtype=np.float32).reshape(-1, 2).T for points in (starts, ends))
    channels = np.zeros(start.shape[1], dtype=np.int64) if channels is None else np.array(channels)
    options = {"map_size": SIZE, "stride": 4, "sigma": 7.0, "min_response": 0.01, **options}
    places, values = line_marks(start, end, channels, **options)
    maps = np.zeros((int(channels.max(initial=0)) + 1, *SIZE), dtype=np.float32)
    np.maximum.at(maps.reshape(-1), places, values)
    return maps


def by_definition(start, end, sigma=7.0, min_response=0.01):
    """One line, cell by cell."""
    (x0, y0), (x1, y1) = start, end
    response = np.zeros(SIZE)
    cell = lambda px: np.floor((px - 1.5) / 4 + 0.5)  # noqa: E731  # the nearest one
    for row, column in np.ndindex(SIZE):
        inside = cell(min(x0, x1) - 4) <= column <= cell(max(x0, x1) + 4)
        inside &= cell(min(y0, y1) - 4) <= row <= cell(max(y0, y1) + 4)
        x, y = 4 * column + 1.5, 4 * row + 1.5
        distance = abs((x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)) / np.hypot(x1 - x0, y1 - y0)
        value = np.exp(-(distance**2) / (2 * sigma**2))
        response[row, column] = value if inside and value >= min_response else 0
    return response


def test_a_level_line_by_hand():
    (response,) = drawn([(9.5, 21.5)], [(21.5, 21.5)])  # through the centers of the cells of row 5
    side = np.exp(-(4**2) / (2 * 7**2))
    expected = np.zeros(SIZE)
    expected[5, 1:7] = 1
    expected[4, 1:7] = expected[6, 1:7] = side
    np.testing.assert_allclose(response, expected, atol=1e-6)


points = st.tuples(st.floats(-30, 90, width=32), st.floats(-30, 80, width=32))


@settings(max_examples=80, deadline=None)
@given(points, points)
def test_the_response_is_that_of_the_definition(start, end):
    if np.hypot(end[0] - start[0], end[1] - start[1]) < 0.5:
        return
    expected = by_definition(start, end)
    (response,) = drawn([start], [end])
    near = np.abs(by_definition(start, end, min_response=1e-9) - 0.01) < 1e-5  # rounding decides
    np.testing.assert_allclose(response[~near], expected[~near], atol=1e-4)
    np.testing.assert_allclose(drawn([end], [start])[0][~near], response[~near], atol=1e-4)  # no direction


def test_of_several_lines_the_largest_response_counts_and_each_has_its_map():
    lines = [(5, 5), (40, 30), (5, 30)], [(40, 30), (5, 5), (40, 5)]
    one, other = drawn(*lines, channels=[0, 1, 0])
    np.testing.assert_allclose(
        one, np.maximum(by_definition((5, 5), (40, 30)), by_definition((5, 30), (40, 5))), atol=1e-5
    )
    np.testing.assert_allclose(other, by_definition((5, 5), (40, 30)), atol=1e-5)


@pytest.mark.parametrize(("start", "end"), [((9, 9), (9, 9)), ((-500, -400), (-300, -200)), ((1e5, 1e5), (1.1e5, 1e5))])
def test_lines_without_length_or_far_away_leave_nothing(start, end):
    assert not drawn([start], [end]).any()
    assert not drawn(np.zeros((0, 2)), np.zeros((0, 2))).any()


@pytest.mark.parametrize("threshold", [0.1, 0.01])
@pytest.mark.parametrize("low", [0.0, -0.3])
def test_the_surface_is_not_above_the_threshold_outside_of_marked_blocks(low, threshold):
    random = np.random.default_rng(0)
    maps = random.uniform(low, 0.4, (3, 8, 9)).astype(np.float32) * (random.random((3, 8, 9)) < 0.1)
    above = blocks_above(maps, threshold)
    pixels = whole_maps(maps, 8, 0.1, "bicubic").pixels[1:-1, 1:-1].transpose(2, 0, 1)  # (M, 64, 72)
    blocks = above[:, (np.arange(64) + 4) // 8][:, :, (np.arange(72) + 4) // 8]
    assert not (pixels > threshold)[~blocks].any()
    assert (pixels > threshold)[blocks].any()
    assert (~blocks).mean() > (0.1 if low == 0 else -1)


@pytest.mark.parametrize("threshold", [0.1, 0.036, 0.034, 0.0])
def test_blocks_around_a_lone_cell(threshold):
    """At the corners of its window, a cell has at most the weight (3/16)^2 = 0.035."""
    lone = np.zeros((1, 8, 9), dtype=np.float32)
    lone[0, 3, 4] = 1
    expected = np.zeros((9, 10), dtype=bool)
    rows, columns = (slice(2, 4), slice(3, 5)) if threshold > 0.035 else (slice(1, 5), slice(2, 6))
    expected[1:, 1:][rows, columns] = True
    np.testing.assert_array_equal(blocks_above(lone, threshold)[0], expected)
    assert not blocks_above(0 * lone, threshold).any()


def test_the_surface_is_exactly_that_of_a_loop_over_points():
    random = np.random.default_rng(1)
    maps = random.standard_normal((3, 5, 7)).astype(np.float32)
    source, xy = random.integers(0, 3, 80), random.uniform(-25, 50, (80, 2))  # also beyond the border
    powers = CUBIC.T.tolist()
    for stride in (4, 3):
        values = read_surface(maps, source, xy, stride)
        for number, (x, y) in enumerate(xy.tolist()):
            column, row = ((side - (stride / 2 - 0.5)) / stride for side in (x, y))
            low = math.floor(column), math.floor(row)
            t = column - low[0], row - low[1]
            across, down = ([a + one * (b + one * (c + one * d)) for a, b, c, d in powers] for one in t)
            expected = 0.0
            for i, weight in enumerate(down, start=low[1] - 1):
                cells = maps[source[number], min(max(i, 0), 4)]
                taps = enumerate(across, start=low[0] - 1)
                expected += weight * sum(tap * float(cells[min(max(j, 0), 6)]) for j, tap in taps)
            assert values[number] == expected


def test_the_surface_is_that_of_the_interpolated_map():
    random = np.random.default_rng(0)
    maps = random.standard_normal((3, 5, 7)).astype(np.float32)
    pixels = whole_maps(maps, 4, 0.1, "bicubic").pixels[1:-1, 1:-1]  # (H, W, M)
    y, x, source = (index.ravel() for index in np.indices(pixels.shape))
    values = read_surface(maps, source, np.stack([x, y], axis=1), 4)
    np.testing.assert_allclose(values, pixels.ravel(), atol=1e-6)
    assert len(read_surface(maps, np.zeros(0, dtype=int), np.zeros((0, 2)), 4)) == 0
