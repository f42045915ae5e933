"""HigherHRNet's own evaluation: the short side has a given length, the image lies in the middle of a black input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gog_pose.errors import InputError
from gog_pose.geometry import WIDEST, apply_affine, short_sided
from gog_pose.imaging.letterbox import InputFormat, prepare_image
from gog_pose.imaging.preprocessing import Preprocessing

SHORT = Preprocessing(short_side=256)


@settings(deadline=None)
@given(height=st.integers(1, 3000), width=st.integers(1, 3000))
def test_the_image_fits_and_lies_in_the_middle(height, width):
    placed = short_sided((height, width), 256, 64)
    scale = placed.matrix[0, 0]
    assert (
        scale == placed.matrix[1, 1] == pytest.approx(min(256 / min(height, width), WIDEST * 256 / max(height, width)))
    )
    for side, padded in zip((height, width), placed.padded_hw, strict=True):
        assert padded % 64 == 0
        assert -1 - 1e-6 < padded - side * scale < 64  # the program counts whole px of the image
    middle = apply_affine(np.array([int(width / 2 + 0.5), int(height / 2 + 0.5)]), placed.matrix)
    np.testing.assert_allclose(middle, np.array(placed.padded_hw[::-1]) / 2, atol=1e-6)


@pytest.mark.parametrize("image_hw", [(96, 160), (160, 97), (600, 900)])
def test_a_pixel_is_where_the_matrix_says(image_hw):
    height, width = image_hw
    x, y = width // 3, height // 2
    image = np.zeros((*image_hw, 3), dtype=np.uint8)
    image[y - 3 : y + 4, x - 3 : x + 4] = 255
    prepared = prepare_image(image, SHORT, 64)
    seen = SHORT.to_image(prepared.tensor)[..., 0].astype(float)
    rows, columns = np.indices(seen.shape)
    place = np.array([(columns * seen).sum(), (rows * seen).sum()]) / seen.sum()
    np.testing.assert_allclose(place, apply_affine(np.array([x, y]), prepared.matrix), atol=0.05)


def test_bars_are_black_and_known():
    prepared = prepare_image(np.full((200, 310, 3), 200, dtype=np.uint8), SHORT, 64)
    seen = SHORT.to_image(prepared.tensor)
    (top, left), (height, width) = prepared.corner, prepared.image_hw
    assert (top, height) == (0, 256)
    assert seen.shape[1] == 448
    assert abs(left - (448 - width) / 2) <= 1
    assert not seen[:, : left - 1].any()
    assert not seen[:, left + width + 1 :].any()
    assert (seen[1:-1, left + 1 : left + width - 1] == 200).all()


def test_sizes_scale_and_exclude_each_other():
    assert InputFormat(SHORT, 64, (1.0, 0.5)).sizes((480, 640)) == ((256, 384), (128, 192))
    assert Preprocessing(height=300).resized(short_side=128) == Preprocessing(short_side=128)
    assert SHORT.resized(long_side=320) == Preprocessing(long_side=320)
    assert SHORT.resized() is SHORT
    assert Preprocessing(**SHORT.to_dict()) == SHORT
    with pytest.raises(InputError, match="height=5 and short_side=6 exclude each other"):
        SHORT.resized(height=5, short_side=6)
    with pytest.raises(InputError, match="short_side: must be 1 px or more"):
        SHORT.resized(short_side=0)
