"""Pixel conventions: every mapping of points agrees with OpenCV's warp of pixels, and inverses are exact."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gog_pose import geometry


@pytest.mark.parametrize(("stride", "cell", "pixel"), [(4, 0, 1.5), (4, 3, 13.5), (1, 7, 7.0), (2, 5, 10.5)])
def test_cell_center_lies_in_the_middle_of_the_pixels_it_covers(stride, cell, pixel):
    assert geometry.cells_to_image(float(cell), stride) == pixel
    assert np.mean(np.arange(cell * stride, (cell + 1) * stride)) == pixel
    assert geometry.image_to_cells(pixel, stride) == cell


def centroid(image):
    ys, xs = np.mgrid[: image.shape[0], : image.shape[1]]
    mass = image.astype(np.float64)
    return np.array([(xs * mass).sum(), (ys * mass).sum()]) / mass.sum()


def blob(x, y, hw):
    """A smooth blob: its centroid survives interpolation, a single pixel's does not always."""
    ys, xs = np.mgrid[: hw[0], : hw[1]]
    return np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / (2 * 3.0**2)).astype(np.float32)


@pytest.mark.parametrize("size", [(60, 40), (200, 300), (101, 77)])
def test_resize_moves_points_as_cv2_moves_pixels(size):
    image = blob(40.0, 50.0, (90, 120))
    resized = cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR)
    matrix = geometry.resize(size[1] / 120, size[0] / 90)
    np.testing.assert_allclose(geometry.apply_affine(np.array([40.0, 50.0]), matrix), centroid(resized), atol=0.02)


def test_mirror_moves_points_as_flipping_moves_pixels():
    image = blob(30.0, 20.0, (50, 80))
    moved = geometry.apply_affine(np.array([30.0, 20.0]), geometry.mirror(80))
    np.testing.assert_allclose(moved, centroid(image[:, ::-1]), atol=1e-3)


def test_rotation_turns_x_towards_y():
    np.testing.assert_allclose(geometry.apply_affine(np.array([1.0, 0.0]), geometry.rotation(90)), [0, 1], atol=1e-12)


@given(height=st.integers(1, 3000), width=st.integers(1, 3000), long_side=st.integers(16, 1024))
def test_letterbox_fits_and_its_inverse_brings_points_back(height, width, long_side):
    box = geometry.letterbox((height, width), long_side, multiple=64)
    assert max(box.resized_hw) == long_side
    assert all(padded % 64 == 0 and 0 <= padded - resized < 64
               for padded, resized in zip(box.padded_hw, box.resized_hw, strict=True))  # fmt: skip
    points = np.array([[0.0, 0.0], [width - 1, height - 1], [-0.5, height - 0.5]])
    there = geometry.apply_affine(points, box.matrix)
    np.testing.assert_allclose(geometry.apply_affine(there, np.linalg.inv(box.matrix)), points, atol=1e-6)
    # The image's outer edge lands on the outer edge of the resized image.
    np.testing.assert_allclose(there[2], [-0.5, box.resized_hw[0] - 0.5], atol=1e-6)


@pytest.mark.parametrize("scale", [0.3, 1.0, 2.5])
def test_area_scale_ignores_rotation_and_mirroring(scale):
    matrix = geometry.rotation(33) @ geometry.mirror(100) @ geometry.stretch(scale, scale)
    assert geometry.area_scale(matrix) == pytest.approx(scale)
    assert geometry.area_scale(geometry.stretch(4, 1)) == pytest.approx(2)
