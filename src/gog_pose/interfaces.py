"""What a way of grouping is made of: its targets and maps, its encoder and its decoder.

``grouping=gog``, the paper's, and ``grouping=center``, CenterNet's, are two such ways. Data, training, evaluation and
prediction know them by these interfaces only. A further one brings records, an encoder, heads, a loss and a decoder of
its own, and its names in ``models.heads.HEADS`` and ``decoding.kinds``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from gog_pose.records import People, Poses, TargetMarks
from gog_pose.skeleton import Skeleton

if TYPE_CHECKING:
    from typing_extensions import Self


class Maps(Protocol):
    """What a network answers: the maps of one stack, a NamedTuple of ``(B, C, h, w)`` tensors."""

    @property
    def heatmaps(self) -> torch.Tensor:
        """``(B, K, h, w)`` keypoint responses."""

    def images(self, rows: slice) -> Self:
        """Return the maps of some images of the batch."""


class Targets(Protocol):
    """What a network should answer: a NamedTuple of ``(C, h, w)`` tensors, ``(B, C, h, w)`` in a batch."""

    @property
    def heatmaps(self) -> torch.Tensor:
        """``(K, h, w)`` responses in [0, 1]."""

    @property
    def mask(self) -> torch.Tensor:
        """``(1, h, w)`` 1 = supervised, 0 = ignored."""

    @classmethod
    def stack(cls, images: Sequence[Self]) -> Self:
        """Join the targets of images of one size to a batch."""

    def image(self, place: int) -> Self:
        """Return the targets of one image of a batch."""

    def as_maps(self) -> Maps:
        """Return the targets of one image as if a network had answered them, with a batch dimension of 1."""


class Encoder(Protocol):
    """People to targets, in two steps that different processes can take."""

    skeleton: Skeleton
    stride: int
    sigma: float  # typical standard deviation of the responses, px of the input image

    def marks(self, people: People, image_size: tuple[int, int], ignore: np.ndarray | None = None) -> TargetMarks:
        """Compute the targets of one image as the cells that are not 0.

        Args:
            people: The labelled people, px of the input image.
            image_size: ``(H, W)`` of the input image, multiples of the stride.
            ignore: ``(H, W)`` bool, True = do not supervise.
        """

    def draw(self, marks: TargetMarks) -> Targets:
        """Draw the targets of a batch of images on the device of their marks."""


class Decoder(Protocol):
    """Maps to poses; a frozen dataclass of the skeleton and of plain values, which checkpoints hold."""

    @property
    def skeleton(self) -> Skeleton:
        """What a person is made of."""

    @property
    def stride(self) -> int:
        """Px of the input image a cell."""

    def __call__(self, maps: Any) -> list[Poses]:
        """Return the people of each image of a batch, px of the input image."""

    def merge_flipped(self, maps: Any, mirrored_maps: Any) -> Any:
        """Return the mean of the maps of images and of their mirror images, as the network answered both."""
