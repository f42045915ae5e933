"""Augmentation: an affine warp and a change of color.

Scale, rotation, stretch, translation, flip and crop are composed into a single matrix, so that the image is
interpolated once, and keypoints, masks and person scales get the same transform as the pixels.
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
    """A sampled warp.

    Attributes:
        matrix: ``(3, 3)`` px of the original image -> px of the crop.
        flipped: Whether the warp exchanges left and right.
    """

    matrix: np.ndarray
    flipped: bool


class Augmentation:
    """Samples warps of training crops (Sec. 3; ranges as in the public code) and changes colors.

    Args:
        crop_size: ``(H, W)`` of the crop, px.
        scale: Range of the scale factor of the original image, log-uniform.
        rotation: Largest rotation, degrees.
        stretch: Range of separate factors on x and y.
        translation: Largest shift of the chosen person from the crop's center, px of the crop.
        flip: Probability of a horizontal flip.
        inside: Whether to shift crops toward the image's center until they contain as little border as possible. This
            wastes fewer pixels, but crop edges rarely cut people then. Off in the paper.
        color: Albumentations transforms of pixel values, applied in order; they must not move pixels.
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
        """Sample a warp that keeps a point in the crop.

        The point is moved to its position in the crop after flip and rotation, so that they cannot move it outside.

        Args:
            image_hw: Height and width of the image, px.
            center: ``(2,)`` the point, px of the original image.
            random: Random number generator.
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
            random: Random number generator, which seeds albumentations; its default seeds would repeat the same
                sequence in every worker and epoch.
        """
        self._color.set_random_seed(int(random.integers(2**31 - 1)))
        changed: np.ndarray = self._color(image=image)["image"]
        return changed


class NoAugmentation(Augmentation):
    """Whole images, letterboxed as in evaluation, for deliberate overfitting of a few images.

    Args:
        crop_size: ``(H, W)`` of the training input, px; if both equal ``long_side`` of the preprocessing, pixels are
            the same as in evaluation.
    """

    def __init__(self, *, crop_size: tuple[Pixels, Pixels]) -> None:
        super().__init__(crop_size=crop_size)

    def sample_warp(self, image_hw: tuple[int, int], center: np.ndarray, random: np.random.Generator) -> Warp:
        """Return the letterbox of the image; the point is not used."""
        return Warp(geometry.letterbox(image_hw, max(self.crop_size), multiple=1).matrix, flipped=False)


def _middle_inside(
    center: np.ndarray, image_hw: tuple[int, int], crop_hw: tuple[int, int], factor: float
) -> np.ndarray:
    """Shift a crop's center, px of the original image, so that the crop contains as little border as possible."""
    image_wh, crop_wh = np.array(image_hw[::-1]), np.array(crop_hw[::-1]) / factor
    margin = np.minimum(crop_wh, image_wh) / 2
    return np.asarray(np.clip(center, margin - 0.5, image_wh - margin - 0.5))


def warp_image(
    image: np.ndarray, matrix: np.ndarray, size: tuple[int, int], border: tuple[int, int, int]
) -> np.ndarray:
    """Warp an ``(H, W, 3)`` uint8 image into ``size`` (height, width); the rest has the border color.

    An image that shrinks by a factor above 2 is first blurred against aliasing, with a sigma of a quarter of the
    factor, px.
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
    """Warp an ``(H, W)`` bool mask; outside the original image it is False."""
    warped = cv2.warpAffine(mask.astype(np.uint8), matrix[:2], (size[1], size[0]), flags=cv2.INTER_NEAREST)
    return np.asarray(warped, dtype=bool)


def warp_keypoints(keypoints: np.ndarray, warp: Warp, size: tuple[int, int], skeleton: Skeleton) -> np.ndarray:
    """Warp keypoints, swap left and right if the warp flips, and set keypoints outside the result to 0.

    Args:
        keypoints: ``(P, K, 3)`` px of the original image.
        warp: The warp.
        size: ``(H, W)`` of the result, px.
        skeleton: Its mirror pairs are the left and right keypoints.

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
    """Return the axis-aligned bounding boxes of warped boxes, clipped to the image.

    Args:
        boxes: ``(P, 4)`` x, y, width, height, px of the original image; x and y are the upper left corner in COCO's
            convention: pixel i extends from i to i + 1.
        matrix: ``(3, 3)`` px of the original image -> px of the warped one.
        size: ``(H, W)`` of the warped image, px.

    Returns:
        ``(P, 4)`` float32 x, y, width, height, px of the warped image, in the pixel-center convention: the image
        extends from -0.5 to W - 0.5. A box outside the image has zero width or height.
    """
    left, top, width, height = boxes.astype(np.float64).T
    x = np.stack([left, left + width, left, left + width], axis=1) - 0.5
    y = np.stack([top, top, top + height, top + height], axis=1) - 0.5
    corners = geometry.apply_affine(np.stack([x, y], axis=-1), matrix)  # (P, 4, 2)
    most = np.array([size[1], size[0]]) - 0.5
    lowest, highest = (np.clip(edge, -0.5, most) for edge in (corners.min(axis=1), corners.max(axis=1)))
    return np.concatenate([lowest, highest - lowest], axis=1).astype(np.float32)
