"""The exported module, which converts pixels to keypoint peaks, and the description that the host needs for poses."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, cast

import torch
from torch import nn

from gog_pose.errors import InputError
from gog_pose.imaging.preprocessing import Preprocessing
from gog_pose.maps.fields import merge_flipped
from gog_pose.methods import load_method, method_of
from gog_pose.methods.decoders import describe_decoder
from gog_pose.methods.method import Decoder, Maps
from gog_pose.networks import PoseNetwork
from gog_pose.networks.folding import fold_norms
from gog_pose.runtime.file import FORMAT


class Deployable(nn.Module):
    """Normalization, network, flip test and peak search as one graph; the host groups the peaks.

    Args:
        network: The network. A copy is exported, with batch normalization folded into the convolutions.
        decoder: Decoder whose candidates the module computes.
        preprocessing: Normalization of the pixels.
        flip: Also predict on the mirror image and merge the maps; takes twice the time.

    Attributes:
        outputs: Names of the tensors that the module returns, fields of the record of the method's export.

    Raises:
        InputError: The method, or an option of the decoder, cannot be exported.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(
        self, network: PoseNetwork, decoder: Decoder, preprocessing: Preprocessing, *, flip: bool = False
    ) -> None:
        super().__init__()
        self.method = method_of(decoder)
        export = load_method(self.method).export
        if export is None:
            raise InputError(f"checkpoint: method {self.method} cannot be exported; use the checkpoint itself")
        self.export = export
        self.decoder = decoder
        self.network = fold_norms(deepcopy(network).cpu().eval())
        self.search = export.graph(decoder)  # torch.fx uses the name "graph"
        self.outputs = cast(tuple[str, ...], self.search.outputs)
        self.preprocessing = preprocessing
        self.flip = flip
        for name, values in (("mean", preprocessing.mean), ("std", preprocessing.std)):
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1), persistent=False)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the tensors of the method's export for a batch.

        Args:
            images: ``(B, H, W, 3)`` uint8 RGB, sides multiples of ``network.max_stride``: images that are resized to
                the length of ``preprocessing`` and padded at the right and the bottom.

        Returns:
            The tensors named by ``outputs``.
        """
        # A plain tuple, because programs that load the graph do not know the record.
        record = self.search(self.maps(images))
        return tuple(getattr(record, name) for name in self.outputs)

    def maps(self, images: torch.Tensor) -> Maps:
        """Return the final maps of the images of ``forward``, merged with those of the mirror images if ``flip``."""
        pixels = images.permute(0, 3, 1, 2).float()
        if self.preprocessing.channel_order == "bgr":
            pixels = pixels.flip(1)
        inputs = ((pixels / 255 - self.mean) / self.std).to(next(self.network.parameters()).dtype)
        maps: Maps = self.network(inputs)[-1]
        if self.flip:
            maps = merge_flipped(maps, self.network(inputs.flip(-1))[-1], self.decoder.fields)
        return maps

    def halved(self) -> Deployable:
        """Return a copy whose trunk and neck compute in float16; heads and peak search remain in float32."""
        copy = deepcopy(self)
        for part in (copy.network.trunk, copy.network.neck):
            if part is not None:
                cast(nn.Module, part).half()
        return copy

    def description(self) -> dict[str, Any]:
        """Return the description in the file, as plain values; it contains everything that the host needs."""
        return {
            "format": FORMAT,
            "skeleton": self.decoder.skeleton.to_dict(),
            "method": self.method,
            "decoder": describe_decoder(self.decoder),
            "preprocessing": self.preprocessing.to_dict(),
            "flip": self.flip,
            "max_stride": self.network.max_stride,
            "precision": "float32",
        }
