"""Contact sheets: every picture once, in its shape, with its caption."""

import numpy as np
import pytest
from canvases import changed

from gog_pose.drawing.sheets import contact_sheet, fit


def test_contact_sheet_holds_every_image_once():
    images = [np.full((30 + 10 * i, 60, 3), 50 + 20 * i, np.uint8) for i in range(5)]
    sheet = contact_sheet(images, columns=3, cell_hw=(40, 60))
    assert sheet.shape == (2 * 44 + 4, 3 * 64 + 4, 3)
    assert {50, 70, 90, 110, 130} <= set(sheet[..., 0].ravel().tolist())
    assert contact_sheet(images[:1], columns=3, cell_hw=(40, 60)).shape == (48, 68, 3)
    with pytest.raises(ValueError, match="needs images"):
        contact_sheet([], columns=3, cell_hw=(40, 60))


def test_captions_cover_a_corner_of_their_own_image():
    images = [np.full((60, 90, 3), level, np.uint8) for level in (100, 200)]
    plain = contact_sheet(images, 2, (60, 90))
    captioned = contact_sheet(images, 2, (60, 90), ("a", "b"))
    rows, columns = np.nonzero(changed(plain, captioned))
    assert rows.min() == 4
    assert rows.max() < 4 + 20
    assert set(columns) <= {*range(4, 4 + 25), *range(98, 98 + 25)}
    assert captioned[4:24, 4:29].max() > 220  # the letter on its dark ground
    assert (images[0] == 100).all()


@pytest.mark.parametrize("hw", [(10, 1000), (1000, 10), (20, 20), (300, 400)])
def test_fit_keeps_the_shape_inside_the_cell(hw):
    height, width = fit(np.zeros((*hw, 3), np.uint8), (60, 80)).shape[:2]
    assert height <= 60
    assert width <= 80
    assert height == 60 or width == 80
