"""CenterNet's own evaluation: images in their own size, in the middle of a larger black input."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gog_pose.errors import InputError
from gog_pose.geometry import apply_affine, centered
from gog_pose.imaging.letterbox import InputFormat, prepare_image
from gog_pose.imaging.preprocessing import Preprocessing

CENTERNET = Preprocessing(channel_order="bgr", layout="centered")


@given(height=st.integers(1, 2000), width=st.integers(1, 2000))
def test_sides_follow_the_bit_rule_of_its_program(height, width):
    placed = centered((height, width), 128)
    assert placed.padded_hw == ((height | 127) + 1, (width | 127) + 1)
    assert placed.corner == (placed.padded_hw[0] // 2 - height // 2, placed.padded_hw[1] // 2 - width // 2)


@pytest.mark.parametrize("image_hw", [(480, 640), (128, 256), (333, 501)])
def test_a_pixel_keeps_its_value_and_the_matrix_says_where_it_is(image_hw):
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (*image_hw, 3), dtype=np.uint8)
    prepared = prepare_image(image, CENTERNET, 128)
    seen = CENTERNET.to_image(prepared.tensor)
    for x, y in ((0, 0), (17, 30), (image_hw[1] - 1, image_hw[0] - 1)):
        column, row = apply_affine(np.array([x, y]), prepared.matrix).astype(int)
        np.testing.assert_array_equal(seen[row, column], image[y, x])
    top, left = prepared.corner
    inside = np.zeros(seen.shape[:2], dtype=bool)
    inside[top : top + image_hw[0], left : left + image_hw[1]] = True
    assert not seen[~inside].any()  # black


def test_another_size_means_our_own_protocol():
    ours = CENTERNET.resized(long_side=320)
    assert (ours.layout, ours.channel_order, ours.border_rgb) == ("letterbox", "bgr", Preprocessing(
        mean=CENTERNET.mean, channel_order="bgr").border_rgb)  # fmt: skip
    assert InputFormat(CENTERNET, 128).sizes((480, 640)) == ((512, 768),)
    assert InputFormat(ours, 128).sizes((480, 640)) == ((256, 384),)
    with pytest.raises(InputError, match="their original size"):
        InputFormat(CENTERNET, 128, (1.0, 0.5)).sizes((480, 640))
