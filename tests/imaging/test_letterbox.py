"""Letterboxes: images of any size become valid inputs of a predictable size."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gog_pose.errors import InputError
from gog_pose.imaging.letterbox import InputFormat, grouped, prepare_image
from gog_pose.imaging.preprocessing import Preprocessing

PLAIN = Preprocessing(mean=(0, 0, 0), std=(1, 1, 1), long_side=96)


@pytest.mark.parametrize("hw", [(1, 500), (500, 1), (1, 1)])
@pytest.mark.parametrize("size", [{"long_side": 96}, {"height": 96}])
def test_extreme_shapes_are_legal_input(hw, size):
    tensor, matrix, *_ = prepare_image(np.full((*hw, 3), 77, np.uint8), PLAIN.resized(**size), 32)
    assert tensor.shape[1] % 32 == tensor.shape[2] % 32 == 0
    assert max(tensor.shape) <= 8 * 96
    assert np.isfinite(np.linalg.inv(matrix)).all()


@pytest.mark.parametrize("size", [{"long_side": 100}, {"height": 70}])
@given(height=st.integers(1, 300), width=st.integers(1, 300))
@settings(max_examples=30, deadline=None)
def test_sizes_are_known_before_an_image_is_read(size, height, width):
    input_format = InputFormat(PLAIN.resized(**size), 32, (0.5, 1, 1.7))
    views = input_format.views(np.zeros((height, width, 3), np.uint8))
    assert input_format.sizes((height, width)) == tuple(tuple(view.tensor.shape[1:]) for view in views)
    assert input_format.scales[0] == 1


def test_the_border_can_have_a_gray_level_of_its_own():
    for preprocessing in (PLAIN, Preprocessing(short_side=64)):
        gray = replace(preprocessing, border=128)
        assert Preprocessing(**gray.to_dict()) == gray
        tensor = prepare_image(np.zeros((50, 90, 3), np.uint8), gray, 64)[0]
        assert (gray.to_image(tensor)[-1, -1] == 128).all()
        assert (gray.to_image(tensor)[32, 32] == 0).all()


def test_prepared_image_lies_at_the_top_left_of_the_mean_color():
    preprocessing = Preprocessing(long_side=60, channel_order="bgr")
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    tensor, matrix, *_ = prepare_image(image, preprocessing, 64)
    assert tensor.shape == (3, 64, 64)
    np.testing.assert_array_equal(matrix, np.eye(3))
    restored = preprocessing.to_image(tensor)
    np.testing.assert_array_equal(restored[:40, :60], image)
    assert (restored[40:] == preprocessing.border_rgb).all()
    assert (restored[:, 60:] == preprocessing.border_rgb).all()


def test_grouping_by_shape_keeps_every_place_once():
    tensors = [torch.zeros(size) for size in ((3, 4), (2, 2), (3, 4), (1, 1), (2, 2))]
    assert grouped([tensor.shape for tensor in tensors]) == [[0, 2], [1, 4], [3]]


def test_long_side_and_height_exclude_each_other():
    assert PLAIN.resized() == PLAIN
    assert PLAIN.resized(height=50).resized(long_side=60) == PLAIN.resized(long_side=60)
    with pytest.raises(InputError, match="exclude each other"):
        PLAIN.resized(long_side=60, height=60)
    with pytest.raises(InputError, match="height: must be 1"):
        PLAIN.resized(height=0)
