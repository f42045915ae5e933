"""The encoder: people to the targets of a network."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from gog_pose.encoding.heatmap import gaussian_heatmaps
from gog_pose.encoding.offset import guiding_offsets
from gog_pose.encoding.refinement import refinement_offsets
from gog_pose.encoding.window import nearest_cells
from gog_pose.errors import InputError
from gog_pose.geometry import cells_to_image
from gog_pose.records import LabelledPeople, PoseTargets
from gog_pose.skeleton import Skeleton

Array = np.ndarray | torch.Tensor

_FARTHEST = 1e6  # px; a keypoint beyond is a mistake, and float32 could not place it to a fraction of a px


class PoseEncoder:
    """Draws heatmaps, guiding offsets, refinement offsets and the supervision mask (Sec. 2.2, 2.3, 3).

    Called with the people of one image it returns the image's targets. The two steps of that can be taken apart, in
    different processes and for many images at once: ``people`` checks and packs, ``draw`` draws on any device.

    Args:
        skeleton: Keypoint types and limbs.
        stride: ``R``, input px a cell.
        sigma: ``sigma_k`` of the Gaussian responses, px of the input image, the same for all types.
        support: Side of the square of cells that carries a limb's offsets, cells, odd.
        min_response: Gaussian responses below this become 0 (the paper does not say; the public code's value).
        quantise: Move each keypoint to the centre of the nearest cell before its Gaussian is drawn ("qnt" in Table 2).
            The paper says "to an integer coordinate" and not which grid's: COCO's coordinates are integers of the image
            already, so only the grid of the maps can be meant. Guiding and refinement offsets are drawn as they are
            without: a cell points at the keypoint itself, which is what makes up for the rounding in "qnt + ro".
        refinement: Side of the square of cells that carries a keypoint's refinement offsets ("ro" in Table 2), cells,
            odd (3 in the public code); 0 = none.

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
        quantise: bool = False,
        refinement: int = 0,
    ) -> None:
        if stride < 1 or sigma <= 0 or support < 1 or support % 2 == 0 or not 0 < min_response < 1:
            raise InputError(
                f"encoder: stride {stride} must be >= 1, sigma {sigma} > 0, support {support} odd,"
                f" min_response {min_response} between 0 and 1"
            )
        if refinement < 0 or (refinement and refinement % 2 == 0):
            raise InputError(f"encoder.refinement: must be 0 or an odd number of cells, got {refinement}")
        self.skeleton = skeleton
        self.stride = stride
        self.sigma = sigma
        self.support = support
        self.min_response = min_response
        self.quantise = quantise
        self.refinement = refinement

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
        return self.draw(self.people(keypoints, scales, image_size, ignore)).image(0)

    def people(
        self, keypoints: Array, scales: Array, image_size: tuple[int, int], ignore: Array | None = None
    ) -> LabelledPeople:
        """Pack what ``draw`` needs to know of one image; arguments and errors are those of a call."""
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
        image = torch.zeros(len(keypoints), dtype=torch.long, device=keypoints.device)
        return LabelledPeople(keypoints, scales, image, self._mask(ignore, image_size, keypoints.device))

    def draw(self, people: LabelledPeople) -> PoseTargets:
        """Draw the targets of a batch of images, on the device of the people, without waiting for it but for counts."""
        num_images, _, height, width = people.mask.shape
        grid: dict[str, Any] = {"stride": self.stride}

        def size(channels: int) -> tuple[int, int, int]:
            return num_images * channels, height, width

        xy = people.keypoints[..., :2]
        labelled = (people.keypoints[..., 2] > 0) & (xy.abs() < _FARTHEST).all(dim=-1)  # nan is not less, either
        person, kind = labelled.nonzero(as_tuple=True)
        points = xy[person, kind]
        heatmaps = gaussian_heatmaps(
            cells_to_image(nearest_cells(points, self.stride), self.stride) if self.quantise else points,
            people.image[person] * self.skeleton.num_keypoints + kind,
            size=size(self.skeleton.num_keypoints),
            sigma=self.sigma,
            min_response=self.min_response,
            **grid,
        )
        refinements = refinement_weights = None
        if self.refinement:
            refinements, refinement_weights = refinement_offsets(
                points, people.image[person], size=size(1), support=self.refinement, **grid
            )
        limbs = torch.tensor(self.skeleton.limbs, device=xy.device).view(-1, 2)
        person, limb = (labelled[:, limbs[:, 0]] & labelled[:, limbs[:, 1]]).nonzero(as_tuple=True)
        offsets, weights = guiding_offsets(
            xy[person, limbs[limb, 0]],
            xy[person, limbs[limb, 1]],
            people.scales[person].clamp(min=1.0),  # px; a degenerate box must not make a weight infinite
            people.image[person] * self.skeleton.num_limbs + limb,
            size=size(self.skeleton.num_limbs),
            support=self.support,
            **grid,
        )
        maps = heatmaps, offsets, weights, people.mask, refinements, refinement_weights
        fields: list[Any] = [None if field is None else field.view(num_images, -1, height, width) for field in maps]
        return PoseTargets(*fields)

    def _mask(self, ignore: Array | None, image_size: tuple[int, int], device: torch.device) -> torch.Tensor:
        if ignore is None:
            return torch.ones((1, 1, image_size[0] // self.stride, image_size[1] // self.stride), device=device)
        ignored = torch.as_tensor(ignore, dtype=torch.float32, device=device)[None, None]
        return (F.avg_pool2d(ignored, self.stride) <= 0.5).float()
