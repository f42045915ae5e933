"""Image in, poses out: what ``gog-predict``, ``gog-evaluate`` and a notebook all use."""

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
    """What became of one image.

    Attributes:
        poses: The people, px of the original image.
        prepared: What the network saw; of several scales, that of 1.
        maps: What it predicted, mirror image and scales merged, with a batch dimension of 1.
    """

    poses: Poses
    prepared: PreparedImage
    maps: Maps


class PoseEstimator(Predictor):
    """Finds the people in images of any size.

    Args:
        network: ``(B, 3, H, W)`` normalized float32 -> ``Maps`` of each stack; it is moved to the device and set to
            evaluation.
        decoder: Maps to poses.
        preprocessing: How pixels become input, and how long the long side of the input is.
        device: Where the network runs: ``cpu``, ``cuda``, ``cuda:1`` ...
        flip: Also look at the mirror image and merge the maps; twice the time.
        scales: Look at the image in these sizes, in units of that of ``preprocessing``, and merge the maps; 1 is one.
        precision: Of the trunk: ``32``, or half precision by autocast, ``bf16`` or ``fp16``. Maps are float32 anyway.
        pad_multiple: Both sides of the input become multiples of this, px; the network's ``max_stride`` unless given.
        batch_size: At most this many images go through the network together.

    Raises:
        InputError: There is no such device, or an option is out of its range.
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
            raise InputError(f"pad_multiple: {multiple} is no multiple of the network's largest stride {max_stride}")
        self.input_format = InputFormat(preprocessing, multiple, tuple(scales))

    @property
    def skeleton(self) -> Skeleton:
        """What the keypoints of the predictions are."""
        skeleton = self.network.skeleton
        assert isinstance(skeleton, Skeleton)
        return skeleton

    @property
    def preprocessing(self) -> Preprocessing:
        """How pixels become input."""
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
            path: The checkpoint; it is read without running any code from it.
            device: Where the network runs.
            long_side: Length of the long side of the input, px, instead of the checkpoint's.
            height: Height of the input, px, instead; the width follows.
            short_side: Length of the short side of the input, px, instead, as HigherHRNet evaluates.
            decoder: Options that replace those of the checkpoint's decoder; ``rules`` (``gog`` or ``official``) sets
                up another one, of which they are the options.
            **options: Further keyword arguments of ``PoseEstimator``.

        Raises:
            InputError: The file is not such a checkpoint, or an option is out of its range.
        """
        network, stored_decoder, preprocessing = read_network(path)
        changed_decoder = change_decoder(stored_decoder, decoder or {})
        preprocessing = preprocessing.resized(long_side=long_side, height=height, short_side=short_side)
        return cls(network, changed_decoder, preprocessing, device=device, **options)

    @classmethod
    def pretrained(cls, name: str = BUNDLED, device: str | torch.device = "cpu", **options: Any) -> PoseEstimator:
        """Use weights by their name; they are downloaded where they have to be.

        Args:
            name: One of ``gog_pose.checkpoints.registry.WEIGHTS``, the bundled ones unless given, or a file.
            device: Where the network runs.
            **options: Further keyword arguments of ``from_checkpoint``.

        Raises:
            InputError: The name is unknown, the file cannot be had, or an option is out of its range.
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
        """Use a file of ``gog-export``, run by ONNX Runtime; whether it looks at mirror images is fixed in it.

        The maps stay in the file: in their place a ``Prediction`` has the candidates.

        Args:
            path: The file; no code in it is run.
            device: ``cpu``, or ``cuda`` with the package onnxruntime-gpu.
            long_side: Length of the long side of the input, px, instead of the file's.
            height: Height of the input, px, instead; the width follows.
            decoder: Options of the grouping that replace those of the file.
            batch_size: At most this many images go through the network together.

        Raises:
            InputError: The file is none of ``gog-export``, or an option cannot be changed any more.
        """
        from gog_pose.export.runtime import OnnxNetwork  # its package is an extra

        network = OnnxNetwork(path, device)
        changed_decoder = network.changed_decoder(decoder or {})
        preprocessing = network.preprocessing.resized(long_side=long_side, height=height)
        return cls(network, changed_decoder, preprocessing, batch_size=batch_size)

    def _predict(self, images: Sequence[np.ndarray]) -> list[Poses]:
        return [
            prediction.poses for prediction in self.predict_views([self.input_format.views(image) for image in images])
        ]

    def predict_with_maps(self, images: Sequence[ImageLike]) -> list[Prediction]:
        """Find the people in each of a list of images and return what the network saw and predicted.

        Args:
            images: As of ``predict``; a list of few, for the maps of all are kept.

        Raises:
            InputError: As of ``predict``.
        """
        return [prediction for batch in self._batches(images) for prediction in self.predict_views(batch)]

    def predict_views(self, images: Sequence[Views]) -> list[Prediction]:
        """Find the people in images that ``input_format.views`` has prepared; those of one size go together.

        Returns:
            The prediction for each image; it does not depend on the others.
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
        """Return the final maps of images whose views have the same sizes, merged over the scales."""
        scales = list(zip(*images, strict=True))
        predictions = [self._predicted_maps(torch.stack([view.tensor for view in views])) for views in scales]
        if len(scales) == 1:
            return predictions[0]
        matrices = [np.stack([view.matrix for view in views]) for views in scales]
        return merge_scales(predictions, matrices, self.decoder.fields)

    @torch.inference_mode()
    def _predicted_maps(self, inputs: torch.Tensor) -> Maps:
        """Return the final maps of a batch, merged with those of its mirror image if that is asked for."""
        inputs = inputs.to(self.device)
        dtype = PRECISIONS[self.precision]
        with torch.autocast(self.device.type, dtype, enabled=dtype is not None):
            maps: Maps = self.network(inputs)[-1]
            if self.flip:
                maps = merge_flipped(maps, self.network(inputs.flip(-1))[-1], self.decoder.fields)
            return maps


def _available(device: str | torch.device) -> torch.device:
    """Return a device after making sure that it can hold a tensor."""
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0][:100]
        raise InputError(f"device: {str(device)!r} cannot be used ({reason}); use device=cpu") from None
