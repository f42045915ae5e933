"""Protocols of the parts of a method, and the record that lists them.

Data, training, evaluation and prediction depend on methods only through these protocols. The recipe for a new method is
the docstring of ``gog_pose.methods``.
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

Maps = Any  # the NamedTuple of a method with the predictions of its network, (B, C, h, w) tensors by field


class Targets(Protocol):
    """The targets of a method, a NamedTuple: tensors ``(C, h, w)``, lists with one entry per image, or None."""

    @property
    def mask(self) -> torch.Tensor:
        """``(1, h, w)``, 1 = supervised, 0 = ignored."""

    def as_maps(self) -> Maps:
        """Return the maps of a network that predicts the targets of a batch exactly."""


class FeatureMap(NamedTuple):
    """One feature map of a trunk, the input of the heads of one supervised output.

    Attributes:
        channels: Number of channels.
        stride: Px of the input image per cell.
    """

    channels: int
    stride: int


class Encoder(Protocol):
    """Converts people to targets, in two steps that can run in different processes."""

    @property
    def skeleton(self) -> Skeleton:
        """Keypoint types and limbs of a person."""

    @property
    def stride(self) -> int:
        """Px of the input image per cell of the features."""

    @property
    def sigma(self) -> float:
        """Typical standard deviation of the responses, px of the input image."""

    @property
    def fields(self) -> Sequence[Field]:
        """Fields of the maps that the targets are."""

    def points(self, people: People) -> np.ndarray:
        """Return ``(P, T, 3)`` x, y and visibility of the points that fields refer to: keypoints, then other points."""

    def marks(self, people: People, image_size: tuple[int, int], ignore: np.ndarray | None = None) -> TargetMarks:
        """Compute the targets of one image as the cells that are not 0.

        Args:
            people: The labeled people, px of the input image.
            image_size: ``(H, W)`` of the input image, multiples of the stride.
            ignore: ``(H, W)`` bool, True = do not supervise.
        """

    def render(self, marks: TargetMarks) -> Any:
        """Render the targets of a batch of images on the device of their marks."""


class Heads(Protocol):
    """The heads of all supervised outputs, an ``nn.Module`` built from a skeleton and the features of a trunk."""

    def __call__(self, features: Sequence[torch.Tensor]) -> list[Maps]:
        """Return the maps of each output from its ``(B, C, h, w)`` float32 features; the last output is final."""

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments of the constructor, as plain values for checkpoints."""


class Decoder(Protocol):
    """Converts maps to poses; a frozen dataclass of the skeleton and of plain values, which checkpoints store."""

    @property
    def skeleton(self) -> Skeleton:
        """Keypoint types and limbs of a person."""

    @property
    def stride(self) -> int:
        """Px of the input image per cell of the features."""

    @property
    def fields(self) -> Sequence[Field]:
        """Fields of the maps."""

    def __call__(self, maps: Maps) -> list[Poses]:
        """Return the people of each image of a batch, px of the input image."""


class Loss(Protocol):
    """Computes the objective from the maps of all outputs and the targets of a batch; an ``nn.Module``."""

    def __call__(self, outputs: Sequence[Maps], targets: Any) -> LossTerms:
        """Compare the maps with the targets, in float32."""


class View(NamedTuple):
    """One kind of picture of a method's maps, drawn on the input image.

    Attributes:
        predicted: ``(image, maps, keypoints, skeleton, stride)`` -> picture of the maps of one image, a batch of one.
            ``keypoints`` are the ``(P, K, 3)`` people whose maps are drawn, annotated or detected.
        taught: ``(image, targets, keypoints, skeleton, stride)`` -> picture of the targets of one image, a batch of
            one, and a caption. ``keypoints`` are the people from whom the targets were rendered.
    """

    predicted: Callable[[np.ndarray, Any, np.ndarray, Skeleton, int], np.ndarray]
    taught: Callable[[np.ndarray, Any, np.ndarray, Skeleton, int], tuple[np.ndarray, str]]


class Difference(NamedTuple):
    """Differences between the outputs of an exported file and PyTorch's.

    Attributes:
        total: Number of candidates that PyTorch finds.
        unmatched: Number of candidates of both that are unmatched within the tolerance.
        missing: Number of those that PyTorch finds.
        largest: Largest difference of matched candidates by output.
    """

    total: int
    unmatched: int
    missing: int
    largest: Mapping[str, float]


class Export(NamedTuple):
    """Split of a method's decoder into an exported file and a host part.

    Attributes:
        graph: ``(decoder)`` -> module that converts maps to tensors, only by tensor operations of fixed shape. Its
            attribute ``outputs`` names the fields of the record that are not None.
        host: The host part; the graph returns its ``record``.
        compare: ``(decoder, maps, record, tolerance)`` -> differences between the record and what the decoder reads
            from the maps; the tolerance is the largest distance of matched candidates, px.
    """

    graph: Callable[[Any], nn.Module]
    host: Host
    compare: Callable[[Any, Any, Any, float], Difference]


class Reference(NamedTuple):
    """Reference implementations with which ``gog-benchmark`` compares a method's encoder and decoder.

    Attributes:
        encode: ``(encoder, keypoints, scales, image_size)`` -> arrays of the same values as the targets.
        targets: Names of these targets.
        decoder: Converts a decoder to one with the same results and without optimizations.
    """

    encode: Callable[..., tuple[np.ndarray, ...]]
    targets: tuple[str, ...]
    decoder: Callable[[Any], Any]


@dataclass(frozen=True)
class Method:
    """A method: its constructors and optional parts.

    Attributes:
        encoder: Constructor of the encoder.
        heads: Constructor of the heads: ``(skeleton, features, **options)``.
        loss: Constructor of the loss.
        decoders: Constructors of decoders by the name of their rules; the first is the default.
        views: Pictures by name.
        export: Parts for the export; None = this method cannot be exported.
        reference: Reference implementations for benchmarks; None = there are none.
        several_strides: Whether the loss also compares outputs at coarser strides, stack by stack, in each stack the
            coarsest first.
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
