"""Maps are drawn where they are: a response on its cell, a vector from its start to its tip."""

import numpy as np
import pytest
from canvases import DARK, GREY, STICK, changed

from gog_pose.drawing.colors import keypoint_colors
from gog_pose.drawing.maps import draw_heatmaps, draw_ignored, draw_vectors

COLORS = keypoint_colors(STICK)
RED = (255, 0, 0)


def test_a_response_colors_its_own_cell():
    heatmaps = np.zeros((3, 20, 25), np.float32)
    heatmaps[1, 6, 10] = 1  # stands at px (41.5, 25.5)
    drawn = draw_heatmaps(GREY, heatmaps, COLORS)
    touched = changed(drawn, np.full_like(GREY, DARK))
    rows, columns = np.nonzero(touched)
    assert (columns.min() + columns.max()) / 2 == 41.5
    assert (rows.min() + rows.max()) / 2 == 25.5
    heatmaps[1, 5:8, 9:12] = 1
    assert draw_heatmaps(GREY, heatmaps, COLORS)[25, 41].tolist() == list(COLORS[1])


def test_the_strongest_type_gives_the_color_and_its_response_the_strength():
    heatmaps = np.stack([np.full((20, 25), response, np.float32) for response in (-0.5, 0.25, 1.5)])
    assert (draw_heatmaps(GREY, heatmaps, COLORS) == COLORS[2]).all()
    heatmaps[2] = 0
    expected = 0.75 * DARK + 0.25 * np.array(COLORS[1])
    assert np.abs(draw_heatmaps(GREY, heatmaps, COLORS) - expected).max() <= 1
    assert (draw_heatmaps(GREY, np.minimum(heatmaps, 0), COLORS) == DARK).all()


def test_what_is_not_supervised_is_striped_in_red():
    mask = np.ones((20, 25), np.float32)
    mask[:, :5] = 0
    drawn = draw_ignored(GREY, mask)
    striped = changed(drawn, GREY)
    assert 0.3 < striped[:, :20].mean() < 0.7
    assert not striped[:, 21:].any()
    assert (drawn[striped, 0] > drawn[striped, 1]).all()
    np.testing.assert_array_equal(draw_ignored(GREY, np.ones_like(mask)), GREY)
    assert (GREY == 128).all()


@pytest.mark.parametrize("fine", [False, True])
def test_a_vector_goes_from_its_start_to_its_tip(fine):
    drawn = draw_vectors(GREY, np.array([[20.0, 30]]), np.array([[70.0, 30]]), [RED], fine=fine)
    rows, columns = np.nonzero(changed(drawn, np.full_like(GREY, DARK)))
    assert abs(columns.min() - 20) <= 1
    assert abs(columns.max() - 70) <= 3  # the dot has a radius
    assert rows.min() >= 27
    assert rows.max() <= 33
    assert drawn[30, 70, 0] > 170  # the dot at the tip


def test_a_white_line_leads_from_the_tip_to_the_goal():
    start, tip, goal = (np.array([point]) for point in ((20.0, 60), (80.0, 60), (60.0, 20)))
    drawn = draw_vectors(GREY, start, tip, [RED], goal)
    assert (drawn[39:42, 68:73] > 200).all(axis=2).any()  # half way
    exact = draw_vectors(GREY, start, tip, [RED], tip)
    assert not (exact > 200).all(axis=2).any()


@pytest.mark.parametrize("value", [np.nan, np.inf, -1e30])
def test_vectors_of_a_diverged_network_are_harmless(value):
    draw_vectors(GREY, np.array([[20.0, 30]]), np.full((1, 2), value), [RED], np.full((1, 2), value))


def test_without_vectors_the_image_is_only_dimmed():
    assert (draw_vectors(GREY, np.zeros((0, 2)), np.zeros((0, 2)), []) == DARK).all()
