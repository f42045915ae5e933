"""Outlines of people: packed run lengths and polygons, found by number and read as COCO reads them."""

import numpy as np
import pycocotools.mask as rle
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from gog_pose.data.outlines import Outlines, run_lengths


@given(arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=40), elements=st.integers(0, 1)))
def test_run_lengths_are_read_as_pycocotools_reads_them(mask):
    """Compressed and not."""
    compressed = rle.encode(np.asfortranarray(mask))["counts"].decode()
    changes = np.flatnonzero(np.diff(mask.ravel(order="F"), prepend=0)).tolist()
    plain = np.diff([0, *changes, mask.size]).tolist()
    for counts in (compressed, plain):
        lengths = run_lengths(counts, mask.size)
        assert np.array_equal(Outlines([(3, lengths)]).mask(3, mask.shape), mask)


def test_outlines_are_found_whatever_their_order():
    square = [[0, 0, 4, 0, 4, 4, 0, 4], [6, 6, 8, 6, 8, 8, 6, 8]]
    rows = run_lengths([0, 3, 97], 100)
    outlines = Outlines([(7, square), (2, rows), (5, [[0, 0, 10, 0, 10, 10, 0, 10]]), (0, rows)])
    masks = {place: outlines.mask(place, (10, 10)) for place in range(9)}
    assert [place for place, mask in masks.items() if mask is not None] == [0, 2, 5, 7]
    assert masks[5].all()
    assert masks[7][:4, :4].all()
    assert masks[7][6:8, 6:8].all()
    assert not masks[7][:4, 6:].any()
    assert masks[0].sum() == masks[2].sum() == 3
    assert masks[2][:3, 0].all()
