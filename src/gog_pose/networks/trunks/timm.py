"""The convolutional networks of timm (PyTorch Image Models, Ross Wightman), whose ImageNet weights it can download."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import nn

from gog_pose.errors import InputError
from gog_pose.methods.method import FeatureMap
from gog_pose.networks.recompute import run

_STRIDES = (4, 8, 16, 32)  # px per cell of the features
_PERMISSIVE = ("apache-2.0", "mit", "bsd-3-clause", "cc-by-4.0")  # as timm writes the licenses of weights


class TimmTrunk(nn.Module):
    """Features of strides 4, 8, 16 and 32, the finest first; a neck makes one map of them.

    Args:
        architecture: Name in timm, with or without the tag of its weights, such as ``resnet50.a1_in1k``; without one
            timm chooses the weights.
        pretrained: Start from these weights, from timm's cache or downloaded; otherwise from timm's initialization.
        recompute: Keep only what goes from one stage to the next, and compute the inside of each again for the
            gradients. The features are the same.

    Raises:
        InputError: timm is not installed, it has no such model, the model does not have features of these strides for
            images of any size, its license is not permissive, or its weights cannot be had.
    """

    def __init__(self, *, architecture: str, pretrained: bool = False, recompute: bool = False) -> None:
        super().__init__()
        timm = _timm()
        _require_usable(timm, architecture)
        self._architecture = architecture
        self.body: nn.Module = _create(timm, architecture, pretrained=pretrained)
        self.feature_maps = tuple(
            FeatureMap(channels, stride) for channels, stride in _features(self.body, architecture)
        )
        self.max_stride: int = _STRIDES[-1]
        _separate_activations(self.body)
        num_stages = _wrap_stages(self.body, recompute=recompute)
        if recompute and num_stages == 0:
            raise InputError(
                f"model.trunk.recompute: {architecture} is not one stage after another in timm; leave it false"
            )

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Map ``(B, 3, H, W)``, sides multiples of 32, to ``(B, C_i, H / s_i, W / s_i)`` of strides 4, 8, 16, 32."""
        return list(self.body(images))

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments that decide its shape; where its weights come from is not among them."""
        return {"architecture": self._architecture}


class _Stage(nn.Module):
    """A part of a network that can be computed again for its gradients."""

    def __init__(self, unit: nn.Module, *, recompute: bool) -> None:
        super().__init__()
        self.unit = unit
        self.recompute = recompute

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return run(self.unit, x, recompute=self.recompute)


def _timm() -> Any:
    """Import timm."""
    if find_spec("timm") is None:
        raise InputError("model.trunk: needs timm; install it by: pip install 'gog-pose[trunks]'")
    try:
        return import_module("timm")
    except (ImportError, RuntimeError, OSError) as error:  # its torchvision looks for operators of its own build
        raise InputError(
            f"model.trunk: timm cannot be imported ({_line(error)}); install torch and torchvision of the same build"
        ) from error


def _require_usable(timm: Any, architecture: str) -> None:
    """Check what timm says about a model before it is built."""
    try:
        about = timm.get_pretrained_cfg(architecture) if timm.is_model(architecture) else None
    except RuntimeError as error:
        raise InputError(f"model.trunk.architecture: {_line(error)}") from error
    if about is None:
        raise InputError(
            f"model.trunk.architecture: timm has no model {architecture!r}; timm.list_models() names all of them"
        )
    if about.license not in _PERMISSIVE:
        raise InputError(
            f"model.trunk.architecture: the license of {architecture} is {about.license or 'not stated'}, which is not"
            f" permissive; choose a model of {', '.join(_PERMISSIVE)}"
        )
    if about.fixed_input_size:
        raise InputError(f"model.trunk.architecture: {architecture} takes images of one size only; choose another")


def _create(timm: Any, architecture: str, *, pretrained: bool) -> Any:
    """Build the part of a model that gives its last four features."""
    try:
        with _without_retries_on_the_console():
            return timm.create_model(
                architecture, pretrained=pretrained, features_only=True, out_indices=(-4, -3, -2, -1)
            )
    except OSError as error:
        raise InputError(
            f"model.trunk.pretrained: the weights of {architecture} are not in timm's cache and cannot be downloaded"
            f" ({_line(error)}); connect to the network, or leave it false"
        ) from error
    except (RuntimeError, ValueError, AssertionError, TypeError, AttributeError, IndexError) as error:
        raise InputError(
            f"model.trunk.architecture: timm does not give features of {architecture} ({_line(error)})"
        ) from error


@contextmanager
def _without_retries_on_the_console() -> Iterator[None]:
    """Keep back the lines of the downloader about each of its attempts."""
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _features(body: nn.Module, architecture: str) -> list[tuple[int, int]]:
    """Return channels and stride of each feature, seen in a run without numbers; the body itself is left alone."""
    height, width = 2 * _STRIDES[-1], 3 * _STRIDES[-1]
    try:
        outputs = deepcopy(body).to("meta").eval()(torch.empty(1, 3, height, width, device="meta"))
    except (RuntimeError, ValueError, AssertionError) as error:
        raise InputError(
            f"model.trunk.architecture: {architecture} does not take images of {height}x{width} px ({_line(error)});"
            " choose a convolutional network, such as resnet50"
        ) from error
    shapes = [tuple(output.shape[1:]) for output in outputs]
    if [shape[1:] for shape in shapes] != [(height // stride, width // stride) for stride in _STRIDES]:
        raise InputError(
            f"model.trunk.architecture: {architecture} makes of a {height}x{width} image features of {shapes}, not such"
            " of strides 4, 8, 16 and 32; choose a convolutional network, such as resnet50"
        )
    return [(shape[0], stride) for shape, stride in zip(shapes, _STRIDES, strict=True)]


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def _separate_activations(body: nn.Module) -> None:
    """Put a plain normalization and its activation in the place of each of timm's that do both, with the same weights.

    Folding and the synchronization of statistics over devices take normalizations for no more than that.
    """
    joint = import_module("timm.layers").BatchNormAct2d
    for name, norm in list(body.named_modules()):
        if type(norm) is joint:
            plain = nn.BatchNorm2d(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
            plain.load_state_dict(norm.state_dict(), strict=False, assign=True)  # an activation may have weights, too
            body.set_submodule(name, nn.Sequential(plain, norm.drop, norm.act))


def _wrap_stages(body: nn.Module, *, recompute: bool) -> int:
    """Wrap the stages of a network, so that names of weights do not depend on ``recompute``; return how many."""
    chain = body if isinstance(body, import_module("timm.models").FeatureListNet) else getattr(body, "blocks", None)
    if not isinstance(chain, nn.Sequential | nn.ModuleDict):
        return 0
    stages = [
        (name, part)
        for name, part in chain.named_children()
        if any(True for _ in part.children()) and any(isinstance(inner, nn.Conv2d) for inner in part.modules())
    ]
    for name, part in stages:
        setattr(chain, name, _Stage(part, recompute=recompute))
    return len(stages)


TRUNK = TimmTrunk
