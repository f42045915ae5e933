"""Prediction of poses without PyTorch."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gog_pose.imaging.letterbox import grouped, prepare_image
from gog_pose.imaging.preprocessing import Preprocessing
from gog_pose.media.frames import Frame, VideoFile
from gog_pose.media.stream import Frames
from gog_pose.poses import Poses
from gog_pose.predictor import Predictor
from gog_pose.runtime.file import OnnxFile
from gog_pose.skeleton import Skeleton


@dataclass(frozen=True)
class _Pixels(Preprocessing):
    """Preprocessing without normalization, which is part of the exported file."""

    def to_tensor(self, image: np.ndarray) -> Any:
        """Return the ``(H, W, 3)`` uint8 pixels unchanged."""
        return image


class PoseRuntime(Predictor):
    """Finds the people in images of any size with a file of ``gog-export``, using only NumPy and ONNX Runtime.

    The poses are the same as those of ``PoseEstimator.from_onnx``.

    Args:
        path: The exported file; no code in it is run.
        device: ``cpu``, or ``cuda`` with the package onnxruntime-gpu.
        long_side: Long side of the input, px; None = as in the file.
        height: Height of the input, px, instead of the long side; the width follows from the aspect ratio.
        decoder: Grouping options that replace those of the file.
        batch_size: Largest number of images per batch.
        threads: Number of threads on the CPU; 0 = chosen by ONNX Runtime.

    Raises:
        InputError: ``gog-export`` did not write the file, or an option is out of range or fixed in the file.
    """

    def __init__(
        self,
        path: str | Path,
        device: str = "cpu",
        *,
        long_side: int | None = None,
        height: int | None = None,
        decoder: Mapping[str, Any] | None = None,
        batch_size: int = 8,
        threads: int = 0,
    ) -> None:
        super().__init__(batch_size)
        self._file = OnnxFile(path, device, threads=threads)
        self._decoder = self._file.changed_decoder(decoder or {})
        stored = _Pixels(**self._file.preprocessing.to_dict())
        self._preprocessing = stored.resized(long_side=long_side, height=height)

    @property
    def skeleton(self) -> Skeleton:
        """The skeleton of the poses."""
        return self._file.skeleton

    def predict_video(self, path: str | Path, *, every: int = 1) -> Iterator[tuple[Frame, Poses]]:
        """Yield every n-th frame of a video with its people, keeping at most one batch of frames in memory.

        Args:
            path: A video file.
            every: n.

        Raises:
            InputError: The file cannot be read, or is damaged (raised after the readable frames).
        """
        frames = Frames([VideoFile(Path(path))], every)
        stream = iter(frames)
        while batch := list(itertools.islice(stream, self.batch_size)):
            yield from zip(batch, self._predict([frame.image for frame in batch]), strict=True)
        if frames.unreadable:
            raise frames.unreadable[0]

    def _predict(self, images: Sequence[np.ndarray]) -> list[Poses]:
        """Return the people in each image of a batch; images of equal input size are processed together."""
        inputs = [prepare_image(image, self._preprocessing, self._file.max_stride) for image in images]
        found: dict[int, Poses] = {}
        for places in grouped([image.tensor.shape for image in inputs]):
            record = self._file(np.stack([inputs[place].tensor for place in places]))
            for place, people in zip(places, self._decoder(record), strict=True):
                moved = people.transformed(np.linalg.inv(inputs[place].matrix))
                found[place] = replace(moved, skeleton=self.skeleton)
        return [found[place] for place in range(len(images))]
