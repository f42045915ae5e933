"""An exported ONNX file as a network for ``PoseEstimator``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from gog_pose.imaging.preprocessing import Preprocessing
from gog_pose.methods.method import Decoder
from gog_pose.runtime import OnnxFile


@dataclass(frozen=True)
class PlainPixels(Preprocessing):
    """Preprocessing that leaves the normalization to the exported file."""

    def to_tensor(self, image: np.ndarray) -> torch.Tensor:
        """Return the ``(H, W, 3)`` uint8 pixels themselves."""
        return torch.from_numpy(image)


class OnnxNetwork(nn.Module):
    """Runs an exported file as a network. Its inputs are pixels, its outputs the decoder's inputs instead of maps.

    Args:
        path: As in ``OnnxFile``.
        device: As in ``OnnxFile``.
        threads: As in ``OnnxFile``.

    Raises:
        InputError: As in ``OnnxFile``.
    """

    def __init__(self, path: str | Path, device: str = "cpu", *, threads: int = 0) -> None:
        super().__init__()
        self._file = OnnxFile(path, device, threads=threads)
        self.skeleton = self._file.skeleton
        self.decoder: Decoder = self._file.decoder
        self.preprocessing = PlainPixels(**self._file.preprocessing.to_dict())
        self.max_stride = self._file.max_stride
        self.flip = self._file.flip

    def forward(self, images: torch.Tensor) -> list[Any]:
        """Return the record of the method's export.

        Args:
            images: ``(B, H, W, 3)`` uint8 RGB, sides multiples of ``max_stride``.
        """
        return [self._file(images.numpy())]

    def changed_decoder(self, options: Mapping[str, Any]) -> Decoder:
        """Return the decoder with other grouping options; it raises the errors of ``OnnxFile.changed_decoder``."""
        changed: Decoder = self._file.changed_decoder(options)
        return changed
