"""Image in, poses out: what ``gog-predict``, an evaluation and a notebook all use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias, overload

import numpy as np
import torch
from PIL import Image
from torch import nn

from gog_pose.checkpoint import KEY, NETWORK_PREFIX, read_checkpoint
from gog_pose.decoding import build_decoder, change_decoder, merge_flipped
from gog_pose.errors import InputError
from gog_pose.images import read_image, to_rgb
from gog_pose.letterboxing import PreparedImage, prepare_image
from gog_pose.models import PoseNetwork
from gog_pose.preprocessing import Preprocessing
from gog_pose.records import PoseMaps, Poses
from gog_pose.skeleton import Skeleton

ImageLike: TypeAlias = str | Path | Image.Image | np.ndarray


class PoseEstimator:
    """Finds the people in images of any size.

    Args:
        network: ``(B, 3, H, W)`` normalised float32 -> one ``PoseMaps`` a stack; it is moved to the device and set to
            evaluation.
        decoder: Maps to poses.
        preprocessing: How pixels become input, and how long the long side of the input is.
        device: Where the network runs: ``cpu``, ``cuda``, ``cuda:1`` ...
        flip: Also look at the mirror image and merge the maps; twice the time.
        pad_multiple: Both sides of the input become multiples of this, px; the network's ``max_stride`` unless given.
        batch_size: At most this many images go through the network together.

    Raises:
        InputError: There is no such device.
    """

    def __init__(
        self,
        network: nn.Module,
        decoder: Callable[[PoseMaps], list[Poses]],
        preprocessing: Preprocessing,
        *,
        device: str | torch.device = "cpu",
        flip: bool = False,
        pad_multiple: int | None = None,
        batch_size: int = 8,
    ) -> None:
        self.device = _available(device)
        self.network = network.to(self.device).eval()
        self.decoder = decoder
        self.preprocessing = preprocessing
        self.flip = flip
        self.pad_multiple = pad_multiple or int(network.max_stride)  # type: ignore[arg-type]
        self.batch_size = batch_size

    @property
    def skeleton(self) -> Skeleton:
        """What the keypoints of the answers are."""
        skeleton = self.network.skeleton
        assert isinstance(skeleton, Skeleton)
        return skeleton

    @classmethod
    def from_checkpoint(
        cls,
        path: str | Path,
        device: str | torch.device = "cpu",
        *,
        long_side: int | None = None,
        decoder: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> PoseEstimator:
        """Rebuild network, decoder and preprocessing from a checkpoint of ``gog-train``.

        Args:
            path: The checkpoint; it is read without running any code from it.
            device: Where the network runs.
            long_side: Length of the long side of the input, px, instead of the checkpoint's.
            decoder: Options that replace those of the checkpoint's decoder; ``rules`` (``gog`` or ``official``) sets
                up another one, of which they are the options.
            **options: Further keyword arguments of ``PoseEstimator``.

        Raises:
            InputError: The file is not such a checkpoint, or an option is out of its range.
        """
        checkpoint = read_checkpoint(path)
        description = checkpoint[KEY]
        try:
            skeleton = Skeleton(**description["skeleton"])
            with torch.device("meta"):  # no numbers are drawn only to be replaced
                network = PoseNetwork.from_dict(skeleton, description["network"])
            stored_decoder = build_decoder(skeleton, description["decoder"])
            preprocessing = Preprocessing(**description["preprocessing"])
            weights = {
                key.removeprefix(NETWORK_PREFIX): value
                for key, value in checkpoint["state_dict"].items()
                if key.startswith(NETWORK_PREFIX)
            }
            if not any(name.startswith("heatmap_heads.") for name in weights):
                raise InputError(f"{path}: holds a trunk alone; train from it with model=hourglass104_centernet")
            network.load_state_dict(weights, assign=True)
        except InputError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"{path}: what it says about itself does not fit its weights ({reason})") from error
        changed_decoder = change_decoder(stored_decoder, decoder or {})
        if long_side is not None:
            if long_side < 1:
                raise InputError(f"long_side: must be 1 px or more, got {long_side}")
            preprocessing = replace(preprocessing, long_side=long_side)
        return cls(network, changed_decoder, preprocessing, device=device, **options)

    @overload  # a path is a sequence, too: of letters
    def predict(self, images: ImageLike) -> Poses: ...  # type: ignore[overload-overlap]

    @overload
    def predict(self, images: Sequence[ImageLike]) -> list[Poses]: ...

    def predict(self, images: ImageLike | Sequence[ImageLike]) -> Poses | list[Poses]:
        """Find the people in one image, or in each of a list.

        Args:
            images: A path, a Pillow image, ``(H, W, 3)`` uint8 RGB, or a list of such.

        Returns:
            The people, px of the original image: of the pixels given or, for a path, of the image turned upright as
            its EXIF orientation says. The answer for an image does not depend on the others in the list.

        Raises:
            InputError: A file cannot be read, or an array is not an image.
        """
        if isinstance(images, str | Path | Image.Image | np.ndarray):
            return self._predict_batch([images])[0]
        batches = range(0, len(images), self.batch_size)
        return [poses for start in batches for poses in self._predict_batch(images[start : start + self.batch_size])]

    def _predict_batch(self, images: Sequence[ImageLike]) -> list[Poses]:
        prepared = [self._prepare(image) for image in images]
        poses: dict[int, Poses] = {}
        for places in group_by_shape([image.tensor for image in prepared]):
            decoded = self.decoder(self._maps(torch.stack([prepared[place].tensor for place in places])))
            for place, people in zip(places, decoded, strict=True):
                poses[place] = people.transformed(np.linalg.inv(prepared[place].matrix))
        return [poses[place] for place in range(len(images))]

    def _prepare(self, image: ImageLike) -> PreparedImage:
        return prepare_image(_pixels(image), self.preprocessing, self.pad_multiple)

    @torch.inference_mode()
    def _maps(self, inputs: torch.Tensor) -> PoseMaps:
        """Return the final maps of a batch, merged with those of its mirror image if that is asked for."""
        inputs = inputs.to(self.device)
        maps: PoseMaps = self.network(inputs)[-1]
        return merge_flipped(maps, self.network(inputs.flip(-1))[-1], self.skeleton) if self.flip else maps


def group_by_shape(tensors: Sequence[torch.Tensor]) -> list[list[int]]:
    """Sort tensors into groups that can be stacked.

    Returns:
        The places in the list of the tensors of each shape; shapes in the order of their first tensor.
    """
    groups: dict[torch.Size, list[int]] = {}
    for place, tensor in enumerate(tensors):
        groups.setdefault(tensor.shape, []).append(place)
    return list(groups.values())


def _pixels(image: ImageLike) -> np.ndarray:
    """Return ``(H, W, 3)`` uint8 RGB of anything that ``predict`` takes."""
    if isinstance(image, str | Path):
        return read_image(image, exif=True)
    if isinstance(image, Image.Image):
        return to_rgb(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise InputError(f"image: expected a (H, W, 3) uint8 RGB array, got {image.shape} {image.dtype}")
    return image


def _available(device: str | torch.device) -> torch.device:
    """Return a device after making sure that it can hold a tensor."""
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0][:100]
        raise InputError(f"device: {str(device)!r} cannot be used ({reason}); use device=cpu") from None
