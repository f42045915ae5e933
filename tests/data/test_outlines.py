"""Outlines of people: packed run lengths and polygons, found by number and read as COCO reads them."""

import cv2
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
        read = Outlines([(3, lengths)]).mask(3, mask.shape)
        assert (read is None) == (not mask.any())
        assert read is None or np.array_equal(read, mask)


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


def test_polygons_are_united():
    """Overlaps stay covered (there is no even-odd rule)."""
    square = [2, 2, 8, 2, 8, 8, 2, 8]
    once, twice = (Outlines([(0, polygons)]).mask(0, (10, 10)) for polygons in ([square], [square, square]))
    assert np.array_equal(once, twice)
    assert once[3:8, 3:8].all()


@given(
    st.lists(st.tuples(*[st.floats(-300, 300, width=32)] * 2), min_size=3, max_size=8),
    st.sampled_from([(40, 60), (1, 9), (33, 7)]),
)
def test_polygons_are_filled_as_if_the_image_went_on(points, image_hw):
    """Clipping changes nothing but pixels that an edge crosses."""
    far = np.zeros((700, 700), np.uint8)
    fixed = np.round(np.array(points, np.float32) - 0.5).astype(np.int32) + 320
    cv2.fillPoly(far, [fixed], 1)
    edges = np.zeros_like(far)
    cv2.polylines(edges, [fixed], True, 1, thickness=5)
    inside = (slice(320, 320 + image_hw[0]), slice(320, 320 + image_hw[1]))
    mask = Outlines([(0, [np.array(points).ravel().tolist()])]).mask(0, image_hw)
    wrong = (np.zeros(image_hw, bool) if mask is None else mask) != far[inside]
    assert not (wrong & (edges[inside] == 0)).any()


def test_far_points_take_no_time():
    """A million rows are crossed a thousand times; OpenCV alone would need many seconds for each."""
    zigzag = np.stack([np.linspace(0, 40, 1000), np.tile([-1e6, 1e6], 500)], axis=1).ravel().tolist()
    assert Outlines([(0, [zigzag])]).mask(0, (30, 40)).any()
