"""The encoder: people of one image to the targets of a network."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from gog_pose.encoding.heatmap import gaussian_heatmaps
from gog_pose.encoding.offset import guiding_offsets
from gog_pose.errors import InputError
from gog_pose.records import PoseTargets
from gog_pose.skeleton import Skeleton

Array = np.ndarray | torch.Tensor


class PoseEncoder:
    """Draws heatmaps, guiding offsets and the supervision mask (Sec. 2.2, 2.3, 3).

    Args:
        skeleton: Keypoint types and limbs.
        stride: ``R``, input px a cell.
        sigma: ``sigma_k`` of the Gaussian responses, px of the input image, the same for all types.
        support: Side of the square of cells that carries a limb's offsets, cells, odd.
        min_response: Gaussian responses below this become 0 (the paper does not say; the public code's value).

    Raises:
        InputError: An option is out of range.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        *,
        stride: int = 4,
        sigma: float = 7.0,
        support: int = 7,
        min_response: float = 0.01,
    ) -> None:
        if stride < 1 or sigma <= 0 or support < 1 or support % 2 == 0 or not 0 < min_response < 1:
            raise InputError(
                f"encoder: stride {stride} must be >= 1, sigma {sigma} > 0, support {support} odd,"
                f" min_response {min_response} between 0 and 1"
            )
        self.skeleton = skeleton
        self.stride = stride
        self.sigma = sigma
        self.support = support
        self.min_response = min_response

    def __call__(
        self, keypoints: Array, scales: Array, image_size: tuple[int, int], ignore: Array | None = None
    ) -> PoseTargets:
        """Encode the people of one image.

        Args:
            keypoints: ``(P, K, 3)`` x, y (px, input image) and COCO visibility; all with visibility > 0 make a target.
                One outside the image leaves the part of its mark that reaches in: unlabel it where that is not wanted.
            scales: ``(P,)`` root of each person's box area, px of the input image.
            image_size: ``(H, W)`` of the input image, multiples of the stride.
            ignore: ``(H, W)`` bool, True = do not supervise; a cell is ignored when most of its pixels are.

        Returns:
            Targets of one image, float32, on the device of ``keypoints`` where that is a tensor.

        Raises:
            ValueError: A shape does not fit, or the image size is no multiple of the stride.
        """
        keypoints = torch.as_tensor(keypoints, dtype=torch.float32)
        scales = torch.as_tensor(scales, dtype=torch.float32)
        num_keypoints = self.skeleton.num_keypoints
        if keypoints.ndim != 3 or keypoints.shape[1:] != (num_keypoints, 3) or len(scales) != len(keypoints):
            raise ValueError(
                f"keypoints must be (P, {num_keypoints}, 3) and scales (P,),"
                f" got {tuple(keypoints.shape)} and {tuple(scales.shape)}"
            )
        if image_size[0] % self.stride or image_size[1] % self.stride:
            raise ValueError(f"image_size {image_size} must be a multiple of the stride {self.stride}")
        height, width = image_size[0] // self.stride, image_size[1] // self.stride

        labelled = (keypoints[..., 2] > 0) & keypoints.isfinite().all(dim=-1)
        person, channel = labelled.nonzero(as_tuple=True)
        heatmaps = gaussian_heatmaps(
            keypoints[person, channel, :2],
            channel,
            size=(num_keypoints, height, width),
            stride=self.stride,
            sigma=self.sigma,
            min_response=self.min_response,
        )
        limbs = torch.tensor(self.skeleton.limbs, device=keypoints.device).view(-1, 2)
        person, limb = (labelled[:, limbs[:, 0]] & labelled[:, limbs[:, 1]]).nonzero(as_tuple=True)
        offsets, weights = guiding_offsets(
            keypoints[person, limbs[limb, 0], :2],
            keypoints[person, limbs[limb, 1], :2],
            scales[person].clamp(min=1.0),  # px; a degenerate box must not make a weight infinite
            limb,
            size=(self.skeleton.num_limbs, height, width),
            stride=self.stride,
            support=self.support,
        )
        return PoseTargets(heatmaps, offsets, weights, self._mask(ignore, height, width, keypoints.device))

    def _mask(self, ignore: Array | None, height: int, width: int, device: torch.device) -> torch.Tensor:
        if ignore is None:
            return torch.ones((1, height, width), device=device)
        ignored = torch.as_tensor(ignore, dtype=torch.float32, device=device)[None]
        return (F.avg_pool2d(ignored, self.stride) <= 0.5).float()
