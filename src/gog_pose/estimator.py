"""Prediction of poses from images with PyTorch, for Python, ``gog-predict`` and ``gog-evaluate``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from gog_pose.checkpoints import read_network
from gog_pose.checkpoints.registry import BUNDLED, find_weights
from gog_pose.errors import InputError
from gog_pose.imaging.letterbox import InputFormat, PreparedImage, Views, grouped
from gog_pose.imaging.preprocessing import Preprocessing
from gog_pose.imaging.reading import ImageLike, pixels_of
from gog_pose.maps.fields import merge_flipped, merge_scales
from gog_pose.maps.records import images_of
from gog_pose.methods.decoders import change_decoder
from gog_pose.methods.method import Decoder, Maps
from gog_pose.poses import Poses
from gog_pose.predictor import Predictor
from gog_pose.skeleton import Skeleton

PRECISIONS = {"32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


class Prediction(NamedTuple):
    """The prediction for one image.

    Attributes:
        poses: The people, px of the original image.
        prepared: The network input; with several scales, the input at scale 1.
        maps: The predicted maps (batch size 1), merged over the mirror image and the scales.
    """

    poses: Poses
    prepared: PreparedImage
    maps: Maps


class PoseEstimator(Predictor):
    """Finds the people in images of any size.

    Args:
        network: Predicts ``Maps`` of each stack from ``(B, 3, H, W)`` normalized float32; it is moved to the device and
            set to evaluation mode.
        decoder: Converts maps to poses.
        preprocessing: Conversion of images to network inputs, including the input size.
        device: Device of the network: ``cpu``, ``cuda``, ``cuda:1`` ...
        flip: Also predict on the mirror image and merge the maps; takes twice the time.
        scales: Predict at these sizes, relative to the size of ``preprocessing``, and merge the maps; must include 1.
        precision: Precision of the trunk: ``32``, or half precision with autocast, ``bf16`` or ``fp16``. Maps are
            always float32.
        pad_multiple: Both sides of the input are padded to multiples of this, px; None = the network's ``max_stride``.
        batch_size: Largest number of images per batch.

    Raises:
        InputError: The device does not exist, or an option is out of range.
    """

    def __init__(
        self,
        network: nn.Module,
        decoder: Decoder,
        preprocessing: Preprocessing,
        *,
        device: str | torch.device = "cpu",
        flip: bool = False,
        scales: Sequence[float] = (1.0,),
        precision: str = "32",
        pad_multiple: int | None = None,
        batch_size: int = 8,
    ) -> None:
        if precision not in PRECISIONS:
            raise InputError(f"precision: {precision!r} is unknown; choose {', '.join(PRECISIONS)}")
        super().__init__(batch_size)
        self.device = _available(device)
        self.network = network.to(self.device).eval()
        self.decoder = decoder
        self.flip = flip
        self.precision = precision
        max_stride = int(network.max_stride)  # type: ignore[arg-type]
        multiple = max_stride if pad_multiple is None else pad_multiple
        if multiple < 1 or multiple % max_stride:
            raise InputError(
                f"pad_multiple: {multiple} is not a multiple of the network's largest stride {max_stride}; change it"
            )
        self.input_format = InputFormat(preprocessing, multiple, tuple(scales))

    @property
    def skeleton(self) -> Skeleton:
        """Skeleton of the predicted poses."""
        skeleton = self.network.skeleton
        assert isinstance(skeleton, Skeleton)
        return skeleton

    @property
    def preprocessing(self) -> Preprocessing:
        """Conversion of images to network inputs."""
        return self.input_format.preprocessing

    @classmethod
    def from_checkpoint(
        cls,
        path: str | Path,
        device: str | torch.device = "cpu",
        *,
        long_side: int | None = None,
        height: int | None = None,
        short_side: int | None = None,
        decoder: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> PoseEstimator:
        """Rebuild network, decoder and preprocessing from a checkpoint of ``gog-train``.

        Args:
            path: The checkpoint; no code in it is run.
            device: Device of the network.
            long_side: Long side of the input, px; None = as in the checkpoint.
            height: Height of the input, px, instead of the long side; the width follows from the aspect ratio.
            short_side: Short side of the input, px, instead of the long side, as in HigherHRNet's evaluation.
            decoder: Options that replace those of the checkpoint's decoder. With ``rules`` (such as ``gog`` or
                ``official``), another decoder is built with these options.
            **options: Further keyword arguments of ``PoseEstimator``.

        Raises:
            InputError: The file is not such a checkpoint, or an option is out of range.
        """
        network, stored_decoder, preprocessing = read_network(path)
        changed_decoder = change_decoder(stored_decoder, decoder or {})
        preprocessing = preprocessing.resized(long_side=long_side, height=height, short_side=short_side)
        return cls(network, changed_decoder, preprocessing, device=device, **options)

    @classmethod
    def pretrained(cls, name: str = BUNDLED, device: str | torch.device = "cpu", **options: Any) -> PoseEstimator:
        """Build an estimator with named weights, which are downloaded if necessary.

        Args:
            name: A name in ``gog_pose.checkpoints.registry.WEIGHTS`` (default: the bundled weights), or a file.
            device: Device of the network.
            **options: Further keyword arguments of ``from_checkpoint``.

        Raises:
            InputError: The name is unknown, the file is not available, or an option is out of range.
        """
        return cls.from_checkpoint(find_weights(name), device, **options)

    @classmethod
    def from_onnx(
        cls,
        path: str | Path,
        device: str = "cpu",
        *,
        long_side: int | None = None,
        height: int | None = None,
        decoder: Mapping[str, Any] | None = None,
        batch_size: int = 8,
    ) -> PoseEstimator:
        """Build an estimator from a file of ``gog-export``, which ONNX Runtime runs; ``flip`` is fixed in the file.

        The file does not output maps, so a ``Prediction`` contains the candidates instead.

        Args:
            path: The exported file; no code in it is run.
            device: ``cpu``, or ``cuda`` with the package onnxruntime-gpu.
            long_side: Long side of the input, px; None = as in the file.
            height: Height of the input, px, instead of the long side; the width follows from the aspect ratio.
            decoder: Grouping options that replace those of the file.
            batch_size: Largest number of images per batch.

        Raises:
            InputError: ``gog-export`` did not write the file, or an option is fixed in the file.
        """
        from gog_pose.export.runtime import OnnxNetwork  # needs an optional package

        network = OnnxNetwork(path, device)
        changed_decoder = network.changed_decoder(decoder or {})
        preprocessing = network.preprocessing.resized(long_side=long_side, height=height)
        return cls(network, changed_decoder, preprocessing, batch_size=batch_size)

    def _predict(self, images: Sequence[np.ndarray]) -> list[Poses]:
        return [
            prediction.poses for prediction in self.predict_views([self.input_format.views(image) for image in images])
        ]

    def predict_with_maps(self, images: Sequence[ImageLike]) -> list[Prediction]:
        """Find the people in each image of a list and return them with network inputs and maps.

        Args:
            images: See ``predict``; the list should be short, because the maps of all images are kept in memory.

        Raises:
            InputError: See ``predict``.
        """
        return [prediction for batch in self._batches(images) for prediction in self.predict_views(batch)]

    def predict_views(self, images: Sequence[Views]) -> list[Prediction]:
        """Find the people in images prepared by ``input_format.views``; equal sizes are processed together.

        Returns:
            One prediction per image, independent of the other images.
        """
        predictions: dict[int, Prediction] = {}
        for places in grouped([tuple(view.tensor.shape for view in views) for views in images]):
            maps = self._maps([images[place] for place in places])
            for row, (place, people) in enumerate(zip(places, self.decoder(maps), strict=True)):
                prepared = images[place][0]
                poses = replace(people.transformed(np.linalg.inv(prepared.matrix)), skeleton=self.skeleton)
                predictions[place] = Prediction(poses, prepared, images_of(maps, slice(row, row + 1)))
        return [predictions[place] for place in range(len(images))]

    def _batches(self, images: Sequence[ImageLike]) -> Iterator[list[Views]]:
        for start in range(0, len(images), self.batch_size):
            yield [self.input_format.views(pixels_of(image)) for image in images[start : start + self.batch_size]]

    def _maps(self, images: Sequence[Views]) -> Maps:
        """Return the maps of the last stack, merged over the scales, for images with equal sizes of views."""
        scales = list(zip(*images, strict=True))
        predictions = [self._predicted_maps(torch.stack([view.tensor for view in views])) for views in scales]
        if len(scales) == 1:
            return predictions[0]
        matrices = [np.stack([view.matrix for view in views]) for views in scales]
        return merge_scales(predictions, matrices, self.decoder.fields)

    @torch.inference_mode()
    def _predicted_maps(self, inputs: torch.Tensor) -> Maps:
        """Return the maps of the last stack for a batch, merged with those of the mirror images if ``flip`` is set."""
        inputs = inputs.to(self.device)
        dtype = PRECISIONS[self.precision]
        with torch.autocast(self.device.type, dtype, enabled=dtype is not None):
            maps: Maps = self.network(inputs)[-1]
            if self.flip:
                maps = merge_flipped(maps, self.network(inputs.flip(-1))[-1], self.decoder.fields)
            return maps


def _available(device: str | torch.device) -> torch.device:
    """Return a device after checking that it can allocate a tensor."""
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0][:100]
        raise InputError(f"device: {str(device)!r} cannot be used ({reason}); use device=cpu") from None
