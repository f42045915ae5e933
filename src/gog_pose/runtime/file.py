"""Exported ONNX file: description, and outputs as arrays."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gog_pose.errors import InputError
from gog_pose.imaging.preprocessing import Preprocessing
from gog_pose.methods import load_host
from gog_pose.skeleton import Skeleton
from gog_pose.system.options import check_arguments

KEY = "gog_pose"  # metadata key of the description
FORMAT = 3
INPUT = "images"
_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class OnnxFile:
    """An exported file, run by ONNX Runtime. Its inputs are pixels, its outputs the decoder's inputs instead of maps.

    Args:
        path: File written by ``gog-export``; no code in it is run.
        device: ``cpu`` or ``cuda``; ``cuda`` needs the package onnxruntime-gpu.
        threads: Number of threads on the CPU; 0 = chosen by ONNX Runtime.

    Attributes:
        skeleton: Skeleton of the poses.
        decoder: Converts the outputs of the file to poses.
        preprocessing: Resizing of images; the file itself normalizes pixels.
        max_stride: Both sides of an input must be multiples of this, px.
        flip: True if the file also predicts on mirror images.

    Raises:
        InputError: ``gog-export`` did not write the file, or the package onnxruntime or the device is missing.
    """

    def __init__(self, path: str | Path, device: str = "cpu", *, threads: int = 0) -> None:
        if importlib.util.find_spec("onnxruntime") is None:
            raise InputError("export: needs onnxruntime; install it by: pip install 'gog-pose[export]'")
        import onnxruntime

        if not Path(path).is_file():
            raise InputError(f"{path}: there is no such file; give a file written by gog-export")
        if _PROVIDERS.get(device) not in onnxruntime.get_available_providers():
            raise InputError(f"device: the installed onnxruntime does not support {device!r}; use device=cpu")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3  # errors only
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=[_PROVIDERS[device]])
            description = json.loads(self._session.get_modelmeta().custom_metadata_map[KEY])
            if description["format"] != FORMAT:
                raise InputError(
                    f"{path}: {KEY}.format: is {description['format']}, but this version reads {FORMAT}; export the"
                    " network again"
                )
            self._host = load_host(description["method"])
            # Optional fields of the record are last.
            self._outputs = self._host.record._fields[: len(self._session.get_outputs())]
            self.skeleton = Skeleton(**description["skeleton"])
            rules = dict(description["decoder"])
            kind = self._host.decoders[rules.pop("rules")]
            check_arguments(kind, rules, "decoder")
            self.decoder: Any = kind(self.skeleton, **rules)
            self.preprocessing = Preprocessing(**description["preprocessing"])
            self.max_stride = int(description["max_stride"])
            self.flip = bool(description["flip"])
        except InputError:
            raise
        except Exception as error:  # from onnxruntime, JSON, or a wrong description
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"{path}: is not a file written by gog-export ({reason})") from None

    def __call__(self, images: np.ndarray) -> Any:
        """Run the file and return its outputs as the record of the method.

        Args:
            images: ``(B, H, W, 3)`` uint8 RGB, sides multiples of ``max_stride``.
        """
        return self._host.record(*self._session.run(self._outputs, {INPUT: images}))

    def changed_decoder(self, options: Mapping[str, Any]) -> Any:
        """Return the decoder with other grouping options.

        Raises:
            InputError: An option is unknown, out of range, or fixed in the file.
        """
        fixed = sorted(self._host.fixed & options.keys())
        if fixed:
            raise InputError(f"decoder.{fixed[0]}: is fixed in an exported file; set it in gog-export")
        check_arguments(type(self.decoder), options, "decoder")
        return replace(self.decoder, **options)
