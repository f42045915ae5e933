"""What a method consists of: the protocols of its parts, and the record that names them.

Data, training, evaluation and prediction know methods by these protocols alone. The recipe for a new method is the
docstring of ``gog_pose.methods``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import nn

from gog_pose.maps.fields import Field
from gog_pose.maps.marks import TargetMarks
from gog_pose.methods.host import Host
from gog_pose.methods.losses import LossTerms
from gog_pose.methods.people import People
from gog_pose.poses import Poses
from gog_pose.skeleton import Skeleton

Maps = Any  # the NamedTuple of a method: what its network predicts, (B, C, h, w) tensors by field


class Targets(Protocol):
    """The targets of a method, a NamedTuple: tensors ``(C, h, w)``, lists with one entry per image, or None."""

    @property
    def mask(self) -> torch.Tensor:
        """``(1, h, w)`` 1 = supervised, 0 = ignored."""

    def as_maps(self) -> Maps:
        """Return the maps of a network that predicts the targets of a batch exactly."""


class FeatureMap(NamedTuple):
    """What heads are built on: one feature map of a trunk, one per supervised output.

    Attributes:
        channels: Its channels.
        stride: Px of the input image per cell.
    """

    channels: int
    stride: int


class Encoder(Protocol):
    """People to targets, in two steps that different processes can take."""

    @property
    def skeleton(self) -> Skeleton:
        """What a person is made of."""

    @property
    def stride(self) -> int:
        """Px of the input image per cell of the features."""

    @property
    def sigma(self) -> float:
        """Typical standard deviation of the responses, px of the input image."""

    @property
    def fields(self) -> Sequence[Field]:
        """What its targets are, as maps."""

    def points(self, people: People) -> np.ndarray:
        """Return ``(P, T, 3)`` x, y and visibility of the points that fields refer to: keypoints, then further ones."""

    def marks(self, people: People, image_size: tuple[int, int], ignore: np.ndarray | None = None) -> TargetMarks:
        """Compute the targets of one image as the cells that are not 0.

        Args:
            people: The labeled people, px of the input image.
            image_size: ``(H, W)`` of the input image, multiples of the stride.
            ignore: ``(H, W)`` bool, True = do not supervise.
        """

    def render(self, marks: TargetMarks) -> Any:
        """Draw the targets of a batch of images on the device of their marks."""


class Heads(Protocol):
    """The heads of all supervised outputs, an ``nn.Module`` built from a skeleton and the features of a trunk."""

    def __call__(self, features: Sequence[torch.Tensor]) -> list[Maps]:
        """Return the maps of each output from its ``(B, C, h, w)`` float32 features; the last is final."""

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments that heads like these are built with: plain values, for checkpoints."""


class Decoder(Protocol):
    """Maps to poses; a frozen dataclass of the skeleton and of plain values, which checkpoints hold."""

    @property
    def skeleton(self) -> Skeleton:
        """What a person is made of."""

    @property
    def stride(self) -> int:
        """Px of the input image per cell of the features."""

    @property
    def fields(self) -> Sequence[Field]:
        """Fields of the maps."""

    def __call__(self, maps: Maps) -> list[Poses]:
        """Return the people of each image of a batch, px of the input image."""


class Loss(Protocol):
    """Maps of all outputs and the targets of a batch to the objective, an ``nn.Module``."""

    def __call__(self, outputs: Sequence[Maps], targets: Any) -> LossTerms:
        """Compare, in float32."""


class View(NamedTuple):
    """One kind of picture of a method's maps, drawn on the input image.

    Attributes:
        predicted: ``(image, maps, keypoints, skeleton, stride)`` -> picture of the maps of one image, a batch of one.
            ``keypoints`` are the ``(P, K, 3)`` people to look at: those annotated, or those detected.
        taught: ``(image, targets, keypoints, skeleton, stride)`` -> picture of the targets of one image, a batch of
            one, and a caption. ``keypoints`` are the people that the targets were drawn of.
    """

    predicted: Callable[[np.ndarray, Any, np.ndarray, Skeleton, int], np.ndarray]
    taught: Callable[[np.ndarray, Any, np.ndarray, Skeleton, int], tuple[np.ndarray, str]]


class Difference(NamedTuple):
    """How the outputs of an exported file differ from PyTorch's.

    Attributes:
        total: Candidates that PyTorch finds.
        unmatched: Candidates of both that have no counterpart within the tolerance.
        largest: Largest difference of counterparts by output.
    """

    total: int
    unmatched: int
    largest: Mapping[str, float]


class Export(NamedTuple):
    """How a method's decoder is split for an exported file.

    Attributes:
        graph: ``(decoder)`` -> the module from maps to tensors, by tensor operations of fixed shape alone.
        host: What follows the file; its ``record`` is what the graph returns.
        compare: ``(decoder, maps, record)`` -> how the file's tensors differ from what the decoder reads from maps.
    """

    graph: Callable[[Any], nn.Module]
    host: Host
    compare: Callable[[Any, Any, Any], Difference]


class Reference(NamedTuple):
    """Plain implementations that ``gog-benchmark`` compares a method's encoder and decoder with.

    Attributes:
        encode: ``(encoder, keypoints, scales, image_size)`` -> arrays of the same values as the targets.
        targets: Names of the targets that they are.
        decoder: The same decoder without its shortcuts.
    """

    encode: Callable[..., tuple[np.ndarray, ...]]
    targets: tuple[str, ...]
    decoder: Callable[[Any], Any]


@dataclass(frozen=True)
class Method:
    """A method: its constructors, and what it offers beside them.

    Attributes:
        encoder: Constructor of the encoder.
        heads: Constructor of the heads: ``(skeleton, features, **options)``.
        loss: Constructor of the loss.
        decoders: Constructors of decoders by the name of their rules; the first is the default.
        views: Pictures by name.
        export: How the decoder is exported; None: this method cannot be exported.
        reference: What its speed is compared with; None: nothing.
        several_strides: Whether the loss compares outputs at coarser strides as well, stack by stack, in each stack
            the coarsest first.
    """

    encoder: Callable[..., Any]
    heads: Callable[..., Any]
    loss: Callable[..., Any]
    decoders: Mapping[str, Callable[..., Any]]
    views: Mapping[str, View]
    export: Export | None = None
    reference: Reference | None = None
    several_strides: bool = False

    @property
    def decoder(self) -> Callable[..., Any]:
        """Constructor of the default decoder."""
        return next(iter(self.decoders.values()))
