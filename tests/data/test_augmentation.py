"""A lit pixel under a keypoint stays under it, through every warp."""

import albumentations
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gog_pose import geometry
from gog_pose.data.augmentation import Augmentation, NoAugmentation, Warp, warp_image, warp_keypoints, warp_mask
from gog_pose.skeleton import load_skeleton

SKELETON = load_skeleton("coco_19")


def light(xy, hw):
    """An image that is dark but for a smooth spot whose centroid is the point."""
    ys, xs = np.mgrid[: hw[0], : hw[1]]
    spot = 255 * np.exp(-((xs - xy[0]) ** 2 + (ys - xy[1]) ** 2) / (2 * 4.0**2))
    return np.repeat(spot.round().astype(np.uint8)[..., None], 3, axis=2)


def centroid(image):
    ys, xs = np.mgrid[: image.shape[0], : image.shape[1]]
    mass = image[..., 0].astype(np.float64)
    return np.array([(xs * mass).sum(), (ys * mass).sum()]) / mass.sum()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_lit_pixel_stays_under_its_keypoint(seed):
    """0.05 px: what 8-bit pixels and OpenCV's 1/32 px interpolation leave; a half-pixel mistake would be 0.5."""
    random = np.random.default_rng(seed)
    augmentation = Augmentation(crop_size=(256, 320), scale=(0.8, 1.6), translation=40)
    point = random.uniform([100, 80], [220, 160])
    warp = augmentation.draw_warp((240, 320), point, random)
    image = warp_image(light(point, (240, 320)), warp.matrix, (256, 320), (0, 0, 0))
    keypoints = np.zeros((1, 17, 3), np.float32)
    keypoints[0, 5] = [*point, 2]
    moved = warp_keypoints(keypoints, warp, (256, 320), SKELETON)
    place = SKELETON.flip_index[5] if warp.flipped else 5  # a left shoulder is a right one in the mirror
    assert moved[0, place, 2] == 2
    assert (moved[..., 2] > 0).sum() == 1
    np.testing.assert_allclose(moved[0, place, :2], centroid(image), atol=0.05)


@settings(max_examples=60)
@given(seed=st.integers(0, 10_000), inside=st.booleans())
def test_the_chosen_person_stays_in_the_crop_after_flip_and_rotation(seed, inside):
    random = np.random.default_rng(seed)
    augmentation = Augmentation(crop_size=(512, 512), inside=inside)
    point = random.uniform([0, 0], [639, 479])
    warp = augmentation.draw_warp((480, 640), point, random)
    moved = geometry.apply_affine(point, warp.matrix)
    if inside:  # towards the image's middle, never away: still on the crop, whatever the rotation
        assert (np.abs(moved - 255.5) <= 512 * 0.75).all()
    else:
        assert (np.abs(moved - 255.5) <= 150).all()


def test_crops_inside_show_no_border_where_the_image_is_large_enough():
    augmentation = Augmentation(crop_size=(100, 100), scale=(0.9, 1.1), rotation=0, stretch=(1, 1), inside=True)
    random = np.random.default_rng(0)
    white = np.full((200, 300, 3), 255, np.uint8)
    for _ in range(50):
        warp = augmentation.draw_warp((200, 300), random.uniform([0, 0], [299, 199]), random)
        assert warp_image(white, warp.matrix, (100, 100), (0, 0, 0)).min() > 200  # less than half a pixel of border


def test_without_augmentation_the_crop_is_the_evaluation_input():
    warp = NoAugmentation(crop_size=(96, 96)).draw_warp((50, 80), np.zeros(2), np.random.default_rng(0))
    np.testing.assert_allclose(warp.matrix, geometry.letterbox((50, 80), 96, 32).matrix)
    assert not warp.flipped


def test_flip_swaps_left_and_right_twice_is_nothing():
    keypoints = np.random.default_rng(0).uniform(1, 99, (3, 17, 3)).astype(np.float32)
    warp = Warp(geometry.mirror(100), flipped=True)
    once = warp_keypoints(keypoints, warp, (100, 100), SKELETON)
    assert once[0, 6, 0] == pytest.approx(99 - keypoints[0, 5, 0], abs=1e-4)
    np.testing.assert_allclose(warp_keypoints(once, warp, (100, 100), SKELETON), keypoints, atol=1e-4)


def test_what_leaves_the_image_is_unlabelled():
    keypoints = np.zeros((1, 17, 3), np.float32)
    keypoints[0, :4] = [[-0.4, 5, 2], [-0.6, 5, 2], [9.4, 5, 1], [9.6, 5, 1]]
    moved = warp_keypoints(keypoints, Warp(np.eye(3), flipped=False), (10, 10), SKELETON)
    assert moved[0, :4, 2].tolist() == [2, 0, 1, 0]
    assert not moved[0, 1].any()


def test_masks_move_with_the_pixels():
    mask = np.zeros((60, 80), dtype=bool)
    mask[20:40, 30:50] = True
    matrix = geometry.translation(10, -5) @ geometry.rotation(20)
    image = warp_image(np.repeat(mask[..., None], 3, axis=2).astype(np.uint8) * 255, matrix, (90, 90), (0, 0, 0))
    disagree = warp_mask(mask, matrix, (90, 90)) != (image[..., 0] > 127)
    assert disagree.sum() <= 0.05 * mask.sum()  # nearest against linear, at the edge only


def test_strong_shrinking_does_not_alias():
    """A checkerboard of single pixels is grey from afar."""
    board = np.indices((400, 400)).sum(axis=0) % 2 * np.uint8(255)
    image = np.repeat(board[..., None], 3, axis=2).astype(np.uint8)
    small = warp_image(image, geometry.resize(0.23, 0.23), (80, 80), (0, 0, 0))
    assert np.abs(small[5:75, 5:75].astype(int) - 127).max() < 12


def test_colours_repeat_by_seed_and_differ_from_call_to_call():
    augmentation = Augmentation(colour=[albumentations.HueSaturationValue(p=1.0)])
    image = cv2.applyColorMap(np.tile(np.arange(64, dtype=np.uint8), (64, 1)), cv2.COLORMAP_JET)

    def two():
        random = np.random.default_rng(7)
        return augmentation.change_colour(image, random), augmentation.change_colour(image, random)

    first, second = two()
    assert not np.array_equal(first, second)
    again, and_again = two()
    assert np.array_equal(first, again)
    assert np.array_equal(second, and_again)
