"""Preprocessing of images to network inputs. Checkpoints store it, so that users need not set it again."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from gog_pose.errors import InputError
from gog_pose.system.options import Pixels, Positive, Range

if TYPE_CHECKING:
    import torch

_CHOICES = {
    "channel_order": ("rgb", "bgr"),
    "interpolation": ("linear", "cubic"),
    "coordinates": ("half_pixel", "align_corners"),
    "layout": ("letterbox", "centered"),
}


@dataclass(frozen=True)
class Preprocessing:
    """Channel order, statistics and size of a network's input images; by default ImageNet's statistics.

    Attributes:
        mean: Mean of the pixels / 255 per channel, in the network's channel order.
        std: Standard deviation of the pixels / 255 per channel, in the network's channel order.
        channel_order: ``rgb`` or ``bgr`` of the network input; images are RGB.
        long_side: Length of the long side of an image at evaluation, px of the network input.
        height: Height of an image at evaluation, px, which replaces ``long_side``, as in the best results of the public
            code; None = not used.
        short_side: Length of the short side at evaluation, px, which replaces ``long_side`` and ``height``: the image
            is centered on black, as HigherHRNet evaluates; None = not used.
        interpolation: ``linear`` or ``cubic`` interpolation of images at evaluation.
        coordinates: Transform of points by a resize: ``half_pixel`` moves them as the resize moves pixels;
            ``align_corners`` is the transform of the public code and right for its published weights only. The two
            differ by up to half of (resize factor - 1) px at the image's border.
        layout: ``letterbox``: an image is resized and placed at the top left, with padding in the mean color.
            ``centered``: an image keeps its size, ``long_side`` and ``height`` are ignored, and it is centered on
            black.
        border: Gray level of the padding, 0 to 255, as in Simple Pose; None = the colors above.
    """

    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[Positive, Positive, Positive] = (0.229, 0.224, 0.225)
    channel_order: str = "rgb"
    long_side: Pixels = 640
    height: Pixels | None = None
    short_side: Pixels | None = None
    interpolation: str = "linear"
    coordinates: str = "half_pixel"
    layout: str = "letterbox"
    border: Annotated[int, Range(0, 255)] | None = None

    def __post_init__(self) -> None:
        """Convert lists from YAML and checkpoints to tuples and check the choices."""
        object.__setattr__(self, "mean", tuple(float(value) for value in self.mean))
        object.__setattr__(self, "std", tuple(float(value) for value in self.std))
        for option, choices in _CHOICES.items():
            if getattr(self, option) not in choices:
                raise InputError(
                    f"preprocessing.{option}: must be {' or '.join(choices)}, got {getattr(self, option)!r}"
                )

    def resized(
        self, *, long_side: int | None = None, height: int | None = None, short_side: int | None = None
    ) -> Preprocessing:
        """Return the same preprocessing for another input size: letterboxed to one of these lengths, px.

        Raises:
            InputError: More than one length is given, or it is below 1.
        """
        lengths = {"long_side": long_side, "height": height, "short_side": short_side}
        given = {option: value for option, value in lengths.items() if value is not None}
        if len(given) > 1:
            listed = " and ".join(f"{option}={value}" for option, value in given.items())
            raise InputError(f"input: {listed} exclude each other; give one of them")
        for option, value in given.items():
            if value < 1:
                raise InputError(f"{option}: must be 1 px or more, got {value}")
        if not given:
            return self
        kept = self.long_side if long_side is None else long_side
        return replace(self, long_side=kept, height=height, short_side=short_side, layout="letterbox")

    def scaled(self, scale: float) -> Preprocessing:
        """Return the same preprocessing for inputs that are larger by a factor.

        Raises:
            InputError: The layout does not resize images.
        """
        if self.layout == "centered" and scale != 1:
            raise InputError("scales: this network takes images at their original size; set long_side= or height= too")
        height, short_side = (
            None if length is None else max(1, round(length * scale)) for length in (self.height, self.short_side)
        )
        return replace(self, long_side=max(1, round(self.long_side * scale)), height=height, short_side=short_side)

    @property
    def border_rgb(self) -> tuple[int, int, int]:
        """Color of the padding, RGB in 0..255: ``border``, black or the mean color."""
        if self.border is not None:
            return (self.border, self.border, self.border)
        if self.layout == "centered" or self.short_side is not None:
            return (0, 0, 0)
        mean = self.mean if self.channel_order == "rgb" else self.mean[::-1]
        return (round(mean[0] * 255), round(mean[1] * 255), round(mean[2] * 255))

    def to_tensor(self, image: np.ndarray) -> torch.Tensor:
        """Normalize one image.

        Args:
            image: ``(H, W, 3)`` uint8 RGB.

        Returns:
            ``(3, H, W)`` float32 in the network's channel order.
        """
        import torch  # here, so that ``gog_pose.runtime`` works without it

        channels = image if self.channel_order == "rgb" else image[..., ::-1]
        tensor = torch.from_numpy(np.ascontiguousarray(channels.transpose(2, 0, 1))).float()
        mean = torch.tensor(self.mean).view(3, 1, 1)
        std = torch.tensor(self.std).view(3, 1, 1)
        return tensor.div_(255).sub_(mean).div_(std)

    def to_image(self, tensor: torch.Tensor) -> np.ndarray:
        """Undo ``to_tensor``: ``(3, H, W)`` float -> ``(H, W, 3)`` uint8 RGB."""
        import torch

        mean = torch.tensor(self.mean).view(3, 1, 1)
        std = torch.tensor(self.std).view(3, 1, 1)
        pixels = tensor.detach().cpu().float() * std + mean
        image = (pixels * 255).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
        return np.ascontiguousarray(image if self.channel_order == "rgb" else image[..., ::-1])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for checkpoints; ``Preprocessing(**p.to_dict())`` equals ``p``."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}
