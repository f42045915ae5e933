"""Running an exported ONNX file: neither the network's code nor Lightning is needed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from gog_pose.errors import InputError
from gog_pose.export.deployable import FORMAT, INPUT, KEY
from gog_pose.export.files import require
from gog_pose.imaging.preprocessing import Preprocessing
from gog_pose.methods import load_method
from gog_pose.methods.decoders import build_decoder, change_decoder
from gog_pose.methods.method import Decoder
from gog_pose.skeleton import Skeleton

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


@dataclass(frozen=True)
class PlainPixels(Preprocessing):
    """Preprocessing that leaves the normalization to the exported file."""

    def to_tensor(self, image: np.ndarray) -> torch.Tensor:
        """Return the ``(H, W, 3)`` uint8 pixels themselves."""
        return torch.from_numpy(image)


class OnnxNetwork(nn.Module):
    """An exported file as a network: pixels in, and in place of maps what the decoder needs of them out.

    Args:
        path: Written by ``gog-export``; no code in it is run.
        device: ``cpu`` or ``cuda``; the latter needs the package onnxruntime-gpu.
        threads: On the CPU; 0 = as many as ONNX Runtime likes.

    Raises:
        InputError: The file is none of ours, the package onnxruntime is missing, or the device is.
    """

    def __init__(self, path: str | Path, device: str = "cpu", *, threads: int = 0) -> None:
        super().__init__()
        require("onnxruntime")
        import onnxruntime

        if not Path(path).is_file():
            raise InputError(f"{path}: no such file; give one that gog-export wrote")
        if _PROVIDERS.get(device) not in onnxruntime.get_available_providers():
            raise InputError(f"device: this onnxruntime cannot use {device!r}; use device=cpu")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3  # errors only
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=[_PROVIDERS[device]])
            description = json.loads(self._session.get_modelmeta().custom_metadata_map[KEY])
            if description["format"] != FORMAT:
                raise InputError(
                    f"{path}: {KEY}.format is {description['format']}, this version reads {FORMAT}; export it again"
                )
            self.skeleton = Skeleton(**description["skeleton"])
            export = load_method(description["method"]).export
            assert export is not None
            self._export = export
            self.decoder = build_decoder(self.skeleton, description["method"], description["decoder"])
            self.preprocessing = PlainPixels(**description["preprocessing"])
            self.max_stride = int(description["max_stride"])
            self.flip = bool(description["flip"])
        except InputError:
            raise
        except Exception as error:  # of onnxruntime's, of JSON's and of what the description should hold
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"{path}: no file that gog-export wrote ({reason})") from None

    def forward(self, images: torch.Tensor) -> list[Any]:
        """Return the record of the method's export.

        Args:
            images: ``(B, H, W, 3)`` uint8 RGB, sides multiples of ``max_stride``.
        """
        record = self._export.record
        return [record(*map(torch.from_numpy, self._session.run(record._fields, {INPUT: images.numpy()})))]

    def changed_decoder(self, options: Mapping[str, Any]) -> Decoder:
        """Return the decoder with other options of grouping.

        Raises:
            InputError: An option is unknown, or what it says is done in the file.
        """
        fixed = sorted(self._export.fixed & options.keys())
        if fixed:
            raise InputError(f"decoder.{fixed[0]}: is fixed in an exported file; give it to gog-export")
        return change_decoder(self.decoder, options)
