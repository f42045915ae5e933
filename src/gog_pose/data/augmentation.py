"""Augmentation: one affine warp and a change of color.

Scale, rotation, stretch, translation, flip and crop are composed into a single matrix, so that the image is
interpolated once and keypoints, masks and person scales go through the very same map as the pixels.
"""

from __future__ import annotations

from typing import NamedTuple

import albumentations
import cv2
import numpy as np

from gog_pose import geometry
from gog_pose.errors import InputError
from gog_pose.skeleton import Skeleton
from gog_pose.system.options import NotNegative, Pixels, Positive, Share


class Warp(NamedTuple):
    """A drawn augmentation.

    Attributes:
        matrix: ``(3, 3)`` px of the original image -> px of the crop.
        flipped: Whether left and right change places.
    """

    matrix: np.ndarray
    flipped: bool


class Augmentation:
    """Draws the warp of a training crop (Sec. 3; ranges as in the public code) and changes colors.

    Args:
        crop_size: ``(H, W)`` of the crop, px.
        scale: Range of the factor on the original image's pixels, log-uniform.
        rotation: Largest rotation, degrees.
        stretch: Range of separate factors on x and y.
        translation: Largest shift of the chosen person from the crop's center, px of the crop.
        flip: Probability of a horizontal flip.
        inside: Whether the crop is moved towards the image's middle as far as it takes to show as little border as
            possible; less is wasted then, but people are seldom cut by the crop's edge. Off in the paper.
        color: Albumentations transforms that keep pixels in place, applied one after the other.
    """

    def __init__(
        self,
        *,
        crop_size: tuple[Pixels, Pixels] = (512, 512),
        scale: tuple[Positive, Positive] = (0.5, 2.0),
        rotation: NotNegative = 45.0,
        stretch: tuple[Positive, Positive] = (0.95, 1.05),
        translation: NotNegative = 150.0,
        flip: Share = 0.5,
        inside: bool = False,
        color: list[albumentations.ImageOnlyTransform] | None = None,
    ) -> None:
        for option, (least, most) in (("scale", scale), ("stretch", stretch)):
            if least > most:
                raise InputError(f"augmentation.{option}: must be [least, most], got {[least, most]}")
        self.crop_size = (int(crop_size[0]), int(crop_size[1]))
        self.scale = scale
        self.rotation = rotation
        self.stretch = stretch
        self.translation = translation
        self.flip = flip
        self.inside = inside
        self._color = albumentations.Compose(color or [])

    def sample_warp(self, image_hw: tuple[int, int], center: np.ndarray, random: np.random.Generator) -> Warp:
        """Draw a warp that keeps a point in the crop.

        The point is brought to its place in the crop last, after flip and rotation, so none of them can lose it.

        Args:
            image_hw: Size of the image, px.
            center: ``(2,)`` the point, px of the original image.
            random: Source of the draw.
        """
        factor = float(np.exp(random.uniform(*np.log(self.scale))))
        flipped = bool(random.random() < self.flip)
        stretch_x, stretch_y = random.uniform(*self.stretch, size=2) * factor
        shift = random.uniform(-self.translation, self.translation, size=2)
        turned = (
            geometry.stretch(-1 if flipped else 1, 1)
            @ geometry.rotation(random.uniform(-self.rotation, self.rotation))
            @ geometry.stretch(stretch_x, stretch_y)
        )
        if self.inside:
            middle = _middle_inside(center - shift / factor, image_hw, self.crop_size, factor)
            shift = geometry.apply_affine(center - middle, turned)
        half = (np.array(self.crop_size[::-1]) - 1) / 2
        place = half + np.clip(shift, -half, half)
        matrix = geometry.translation(*place) @ turned @ geometry.translation(*-center)
        return Warp(matrix, flipped)

    def change_color(self, image: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Change the colors of an ``(H, W, 3)`` uint8 RGB image.

        Args:
            image: The image.
            random: Source of the draw; albumentations' own would give every worker and every epoch the same sequence.
        """
        self._color.set_random_seed(int(random.integers(2**31 - 1)))
        changed: np.ndarray = self._color(image=image)["image"]
        return changed


class NoAugmentation(Augmentation):
    """Whole images, letterboxed as in evaluation: for overfitting a few images on purpose.

    Args:
        crop_size: ``(H, W)`` of the training input, px; equal sides of the evaluation's long side give the same pixels.
    """

    def __init__(self, *, crop_size: tuple[Pixels, Pixels]) -> None:
        super().__init__(crop_size=crop_size)

    def sample_warp(self, image_hw: tuple[int, int], center: np.ndarray, random: np.random.Generator) -> Warp:
        """Return the letterbox of the image, whatever the point."""
        return Warp(geometry.letterbox(image_hw, max(self.crop_size), multiple=1).matrix, flipped=False)


def _middle_inside(
    center: np.ndarray, image_hw: tuple[int, int], crop_hw: tuple[int, int], factor: float
) -> np.ndarray:
    """Move a crop's middle, px of the original image, so that the crop lies on the image as far as it fits."""
    image_wh, crop_wh = np.array(image_hw[::-1]), np.array(crop_hw[::-1]) / factor
    margin = np.minimum(crop_wh, image_wh) / 2
    return np.asarray(np.clip(center, margin - 0.5, image_wh - margin - 0.5))


def warp_image(
    image: np.ndarray, matrix: np.ndarray, size: tuple[int, int], border: tuple[int, int, int]
) -> np.ndarray:
    """Warp an ``(H, W, 3)`` uint8 image into ``size`` (height, width); what lies outside takes the border color.

    Shrinking by more than 2 would alias: such an image is blurred first, by the half-width of what one output pixel
    covers.
    """
    shrink = 1 / geometry.area_scale(matrix)
    if shrink > 2:
        image = cv2.GaussianBlur(image, (0, 0), sigmaX=shrink / 4)
    warped = cv2.warpAffine(
        image, matrix[:2], (size[1], size[0]), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT,
        borderValue=border,
    )  # fmt: skip
    return np.asarray(warped, dtype=np.uint8)


def warp_mask(mask: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Warp an ``(H, W)`` bool mask; what lies outside is False."""
    warped = cv2.warpAffine(mask.astype(np.uint8), matrix[:2], (size[1], size[0]), flags=cv2.INTER_NEAREST)
    return np.asarray(warped, dtype=bool)


def warp_keypoints(keypoints: np.ndarray, warp: Warp, size: tuple[int, int], skeleton: Skeleton) -> np.ndarray:
    """Move keypoints through a warp, swap left and right if it flips, and unlabel what leaves the image.

    Args:
        keypoints: ``(P, K, 3)`` px of the original image.
        warp: The warp.
        size: ``(H, W)`` of the result, px.
        skeleton: Says what left and right are.

    Returns:
        ``(P, K, 3)`` float32 px of the warped image.
    """
    moved = keypoints.astype(np.float32).copy()
    moved[..., :2] = geometry.apply_affine(keypoints[..., :2], warp.matrix)
    x, y = moved[..., 0], moved[..., 1]
    outside = (x < -0.5) | (y < -0.5) | (x >= size[1] - 0.5) | (y >= size[0] - 0.5)
    moved[outside | (moved[..., 2] <= 0)] = 0
    return np.asarray(moved[:, list(skeleton.flip_index)]) if warp.flipped else moved


def warp_boxes(boxes: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return the upright boxes around warped ones, as far as they are in the image.

    Args:
        boxes: ``(P, 4)`` x, y, width, height, px of the original image; x and y are the box's upper left edge, as COCO
            counts: pixel i reaches from i to i + 1.
        matrix: ``(3, 3)`` map of px of the original image to px of the warped one.
        size: ``(H, W)`` of the warped image, px.

    Returns:
        ``(P, 4)`` float32 x, y, width, height, px of the warped image, in the pixel-center convention: the image
        reaches from -0.5 to W - 0.5. A box outside has no width or no height.
    """
    left, top, width, height = boxes.astype(np.float64).T
    x = np.stack([left, left + width, left, left + width], axis=1) - 0.5
    y = np.stack([top, top, top + height, top + height], axis=1) - 0.5
    corners = geometry.apply_affine(np.stack([x, y], axis=-1), matrix)  # (P, 4, 2)
    most = np.array([size[1], size[0]]) - 0.5
    lowest, highest = (np.clip(edge, -0.5, most) for edge in (corners.min(axis=1), corners.max(axis=1)))
    return np.concatenate([lowest, highest - lowest], axis=1).astype(np.float32)
