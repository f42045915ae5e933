"""Marks: batches are joined image by image, on grids of several strides and with lists beside them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gog_pose.maps.marks import GridMarks, TargetMarks, render_marks, supervision_mask


def grid_of(random, channels, size):
    """Marks of one image at random; responses repeat places, other values do not."""
    cells = channels * size[0] * size[1]
    peaks = random.integers(0, cells // 2, 10)  # the first maps hold responses, the last ones all else
    others = cells // 2 + random.permutation(cells - cells // 2)[:5]
    return GridMarks(
        torch.from_numpy(peaks),
        torch.from_numpy(random.random(10).astype(np.float32)),
        torch.from_numpy(others),
        torch.from_numpy(random.normal(size=5).astype(np.float32)),
        torch.from_numpy((random.random((1, 1, *size)) < 0.7).astype(np.float32)),
        channels,
    )


def by_loops(grid):
    """The maps of one image, mark by mark."""
    maps = np.zeros((grid.num_channels, *grid.mask.shape[2:]), dtype=np.float32).ravel()
    for place, value in zip(grid.peak_places.tolist(), grid.peak_values.tolist(), strict=True):
        maps[place] = max(maps[place], value)
    maps[grid.places.numpy()] = grid.values.numpy()
    return maps.reshape(grid.num_channels, *grid.mask.shape[2:])


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), count=st.integers(1, 4), with_lists=st.booleans())
def test_images_of_a_batch_are_drawn_as_alone_on_grids_of_any_stride(seed, count, with_lists):
    random = np.random.default_rng(seed)
    images = [
        TargetMarks(
            (grid_of(random, 4, (6, 8)), grid_of(random, 3, (12, 16))),
            ([torch.from_numpy(random.random(place))], [torch.arange(place + 1)]) if with_lists else (),
        )
        for place in range(count)
    ]
    batch = TargetMarks.join(images)
    for place in range(count):
        for grid, own in zip(batch.grids, images[place].grids, strict=True):
            np.testing.assert_array_equal(render_marks(grid)[place], by_loops(own))
            assert torch.equal(grid.mask[place], own.mask[0])
    assert len(batch.lists) == (2 if with_lists else 0)
    for column, place in ((column, place) for column in range(len(batch.lists)) for place in range(count)):
        assert torch.equal(batch.lists[column][place], images[place].lists[column][0])


def test_joining_in_steps_is_joining_at_once():
    random = np.random.default_rng(0)
    images = [TargetMarks((grid_of(random, 4, (6, 8)),), ([torch.arange(place)],)) for place in range(3)]
    at_once = TargetMarks.join(images)
    in_steps = TargetMarks.join([images[0], TargetMarks.join(images[1:])])
    assert torch.equal(render_marks(at_once.grids[0]), render_marks(in_steps.grids[0]))
    assert [entry.tolist() for entry in at_once.lists[0]] == [entry.tolist() for entry in in_steps.lists[0]]


def test_marks_move_as_a_whole():
    random = np.random.default_rng(0)
    marks = TargetMarks((grid_of(random, 4, (6, 8)), grid_of(random, 3, (3, 4))), ([torch.arange(3)],))
    there = marks.to(torch.device("meta"))
    tensors = [field for grid in there.grids for field in grid[:-1]] + there.lists[0]
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert [grid.num_channels for grid in there.grids] == [4, 3]


@pytest.mark.parametrize("stride", [2, 4])
def test_a_cell_is_ignored_where_most_of_its_pixels_are(stride):
    ignore = np.zeros((16, 16), dtype=bool)
    ignore[:, : stride // 2] = True  # half of the first column of cells
    ignore[:stride, stride : 2 * stride - stride // 4] = True  # most of one cell
    size = (16 // stride, 16 // stride)
    mask = supervision_mask(ignore, size, stride)
    assert mask.shape == (1, 1, *size)
    assert mask.dtype == torch.float32
    assert mask[0, 0, :, 0].all()
    assert (mask == 0).nonzero().tolist() == [[0, 0, 0, 1]]
    assert supervision_mask(None, size, stride).all()
