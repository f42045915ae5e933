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
    """An exported file as a network: pixels in, and in place of maps what the decoder needs of them out.

    Args:
        path: As of ``OnnxFile``.
        device: Likewise.
        threads: Likewise.

    Raises:
        InputError: As of ``OnnxFile``.
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
        """Return the decoder with other options of grouping; it raises as that of ``OnnxFile``."""
        changed: Decoder = self._file.changed_decoder(options)
        return changed
