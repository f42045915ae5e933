"""Features of a frozen trunk, stored on disk, so that trainings on the same crops compute them once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from gog_pose.errors import InputError


class StoredFeatures:
    """A frozen trunk whose features of training crops are read from a folder, and written there when they are missing.

    A file belongs to the pixels of one crop, the weights of the trunk and the precision of the run; if one of these
    differs, the features are computed. Float32 features are stored and used as float16 (rounded by up to 1/2048 of
    their value). Several processes may share the folder.

    Args:
        trunk: Converts images to feature maps; its weights must not change.
        folder: Folder of the files, created if missing; about 1.3 MB per crop of 320 px for MoveNet's trunk.
    """

    def __init__(self, trunk: nn.Module, folder: str | Path) -> None:
        self._trunk = trunk
        self._folder = Path(folder)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._weights: bytes | None = None  # digest of the trunk's weights, computed at the first crop

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def __call__(self, images: torch.Tensor) -> Sequence[torch.Tensor]:
        """Return the trunk's features of ``(B, 3, H, W)`` images; they are stored only if gradients are enabled."""
        if not torch.is_grad_enabled():
            features: Sequence[torch.Tensor] = self._trunk(images)
            return features
        with torch.no_grad():
            per_image = [self._features(image[None]) for image in images]
            return [torch.cat(level).to(memory_format=torch.channels_last) for level in zip(*per_image, strict=True)]

    def _features(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Return the features of one image, ``(1, C, h, w)`` each."""
        file = self._folder / f"{self._name(image)}.pt"
        if file.is_file():
            try:
                stored: list[torch.Tensor] = torch.load(file, map_location=image.device, weights_only=True)
            except (RuntimeError, EOFError, OSError) as error:
                raise InputError(f"{file}: stored features cannot be read ({error}); delete the file") from error
        else:
            stored = [_compact(feature) for feature in self._trunk(image)]
            part = file.with_suffix(f".{os.getpid()}.part")
            torch.save([feature.cpu() for feature in stored], part)
            os.replace(part, file)
        return [feature.float() if feature.dtype == torch.float16 else feature for feature in stored]

    def _name(self, image: torch.Tensor) -> str:
        if self._weights is None:
            digest = hashlib.blake2b(type(self._trunk).__qualname__.encode())
            for name, tensor in self._trunk.state_dict().items():
                digest.update(name.encode() + _content(tensor))
            self._weights = digest.digest()
        kind = image.device.type
        precision = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else image.dtype
        key = self._weights + f"{precision} {tuple(image.shape)}".encode()
        return hashlib.blake2b(_content(image), key=hashlib.blake2b(key).digest(), digest_size=16).hexdigest()


def _compact(feature: torch.Tensor) -> torch.Tensor:
    return feature.half() if feature.dtype == torch.float32 else feature


def _content(tensor: torch.Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
