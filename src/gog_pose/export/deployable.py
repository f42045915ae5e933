"""What is exported: pixels in, keypoint candidates out, and a description that makes poses of them."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch import nn

from gog_pose.decoding import GogDecoder, describe_decoder
from gog_pose.decoding.decoder import Candidates
from gog_pose.decoding.graph import CandidateGraph
from gog_pose.errors import InputError
from gog_pose.interfaces import Decoder
from gog_pose.models import PoseNetwork
from gog_pose.models.folding import fold_norms
from gog_pose.preprocessing import Preprocessing
from gog_pose.records import PoseMaps

KEY = "gog_pose"
FORMAT = 1
INPUT = "images"
OUTPUTS = Candidates._fields


class Deployable(nn.Module):
    """Normalisation, network, flip test and the search for peaks and limbs as one graph; grouping is left to the host.

    Args:
        network: Its batch normalisations are folded into the convolutions; the network itself is left as it is.
        decoder: Whose candidates it gives.
        preprocessing: How pixels are normalised.
        flip: Look at the mirror image, too, and merge the maps; twice the time.

    Raises:
        InputError: The decoder has no graph.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(
        self, network: PoseNetwork, decoder: Decoder, preprocessing: Preprocessing, *, flip: bool = False
    ) -> None:
        super().__init__()
        if not isinstance(decoder, GogDecoder):
            raise InputError("decoder: only GogDecoder can be exported; the candidates of others are not the same")
        self.network = fold_norms(deepcopy(network).cpu().eval())
        self.candidates = CandidateGraph(decoder)
        self.preprocessing = preprocessing
        self.flip = flip
        for name, values in (("mean", preprocessing.mean), ("std", preprocessing.std)):
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1), persistent=False)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Find the candidates of a batch.

        Args:
            images: ``(B, H, W, 3)`` uint8 RGB, sides multiples of ``network.max_stride``: images that are resized to
                the length of ``preprocessing`` and padded at the right and the bottom.

        Returns:
            ``xy``, ``responses`` and ``guides`` of ``Candidates``, k of every type, px of these images.
        """
        # A plain tuple: whoever loads the graph need not know the record.
        return tuple(self.candidates(self.maps(images)))

    def maps(self, images: torch.Tensor) -> PoseMaps:
        """Return the final maps of such images, merged with those of the mirror images if that is asked for."""
        pixels = images.permute(0, 3, 1, 2).float()
        if self.preprocessing.channel_order == "bgr":
            pixels = pixels.flip(1)
        inputs = (pixels / 255 - self.mean) / self.std
        maps: PoseMaps = self.network(inputs)[-1]
        if self.flip:
            maps = self.candidates.decoder.merge_flipped(maps, self.network(inputs.flip(-1))[-1])
        return maps

    def description(self) -> dict[str, Any]:
        """Return what a file says about itself, as plain values: all that the host needs to know."""
        decoder = self.candidates.decoder
        return {
            "format": FORMAT,
            "skeleton": decoder.skeleton.to_dict(),
            "decoder": describe_decoder(decoder),
            "preprocessing": self.preprocessing.to_dict(),
            "flip": self.flip,
            "max_stride": self.network.max_stride,
        }
