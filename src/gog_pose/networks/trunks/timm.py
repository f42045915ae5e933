"""Convolutional networks of timm (PyTorch Image Models, Ross Wightman), which can download their ImageNet weights."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import nn

from gog_pose.errors import InputError
from gog_pose.imaging.preprocessing import Preprocessing
from gog_pose.methods.method import FeatureMap
from gog_pose.networks.recompute import run

_STRIDES = (4, 8, 16, 32)  # px per cell of the features
_FILES = ("model.safetensors", "pytorch_model.bin")  # of weights on the Hugging Face Hub
_TIMEOUT = 10  # s to wait for the first reply of the hub
_PERMISSIVE = ("apache-2.0", "mit", "bsd-3-clause", "cc-by-4.0")  # in timm's spelling of the licenses of weights


class TimmTrunk(nn.Module):
    """Trunk with features of strides 4, 8, 16 and 32, the finest first, which a neck merges.

    Args:
        name: Name of a model in timm, with or without the tag of its weights, such as ``resnet50.a1_in1k``. Without a
            tag, timm chooses the weights.
        pretrained: Start from these weights, cached or downloaded; otherwise from timm's initialization.
        recompute: Keep only the inputs of each stage, and recompute its activations for the gradients. The features are
            the same.

    Raises:
        InputError: timm is not installed or has no such model, the model does not output features of these strides for
            images of any size, its license is not permissive, or its weights are not available.
    """

    def __init__(self, *, name: str, pretrained: bool = False, recompute: bool = False) -> None:
        super().__init__()
        timm = _timm()
        about = _about(timm, name)
        if pretrained:
            _require_weights(about, name)
        self._name = name
        self.body: nn.Module = _create(timm, name, pretrained=pretrained)
        self.feature_maps = tuple(FeatureMap(channels, stride) for channels, stride in _features(self.body, name))
        self.max_stride: int = _STRIDES[-1]
        _separate_activations(self.body)
        num_stages = _wrap_stages(self.body, recompute=recompute)
        if recompute and num_stages == 0:
            raise InputError(f"model.trunk.recompute: {name} is not a sequence of stages in timm; set it to false")

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Map ``(B, 3, H, W)``, sides multiples of 32, to ``(B, C_i, H / s_i, W / s_i)`` of strides 4, 8, 16, 32."""
        return list(self.body(images))

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments that determine its shape, without the source of its weights."""
        return {"architecture": self._name}  # a description's "name" is the trunk's


def preprocessing_of(
    *, name: str, mean: Sequence[float] | None = None, std: Sequence[float] | None = None, **options: Any
) -> Preprocessing:
    """Return the preprocessing with which the weights of a model of timm were trained.

    Args:
        name: Name of the model in timm.
        mean: Mean of the pixels / 255; None = timm's.
        std: Standard deviation of the pixels / 255; None = timm's.
        options: Further options of ``Preprocessing``.

    Raises:
        InputError: timm is not installed, or it has no such model.
    """
    about = _about(_timm(), name)
    return Preprocessing(mean=tuple(mean or about.mean), std=tuple(std or about.std), **options)


class _Stage(nn.Module):
    """A part of a network whose activations can be recomputed for the gradients."""

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
    except (ImportError, RuntimeError, OSError) as error:  # torchvision fails if it does not match the build of torch
        raise InputError(
            f"model.trunk: timm cannot be imported ({_line(error)}); install torch and torchvision of the same build"
        ) from error


def _about(timm: Any, name: str) -> Any:
    """Return timm's configuration of a model that can be a trunk."""
    try:
        about = timm.get_pretrained_cfg(name) if timm.is_model(name) else None
    except RuntimeError as error:
        raise InputError(f"model.trunk.name: {_line(error)}") from error
    if about is None:
        raise InputError(f"model.trunk.name: timm has no model {name!r}; timm.list_models() lists the names")
    if about.license not in _PERMISSIVE:
        raise InputError(
            f"model.trunk.name: the license of {name} is {about.license or 'not stated'}, which is not"
            f" permissive; choose a model of {', '.join(_PERMISSIVE)}"
        )
    if about.fixed_input_size:
        raise InputError(f"model.trunk.name: {name} takes images of one size only; choose another model")
    return about


def _require_weights(about: Any, name: str) -> None:
    """Check that weights are in the cache of the Hugging Face Hub or that the hub has them.

    Without this check, the hub's downloader retries for a minute if there is no network.
    """
    hub = import_module("huggingface_hub")
    if not about.hf_hub_id or any(
        isinstance(hub.try_to_load_from_cache(about.hf_hub_id, file), str) for file in _FILES
    ):
        return
    try:
        hub.HfApi().model_info(about.hf_hub_id, timeout=_TIMEOUT)
    except Exception as error:  # any library can raise it, because the hub's HTTP client varies
        raise _no_weights(name, error) from error


def _no_weights(name: str, error: Exception) -> InputError:
    return InputError(
        f"model.trunk.pretrained: the weights of {name} are not in the cache of Hugging Face and cannot be downloaded"
        f" ({_line(error)}); connect to the network, copy the cache (HF_HOME) from a machine that has them, or set it"
        " to false"
    )


def _create(timm: Any, name: str, *, pretrained: bool) -> Any:
    """Build the part of a model that outputs its last four features."""
    try:
        with _without_retries_on_the_console():
            return timm.create_model(name, pretrained=pretrained, features_only=True, out_indices=(-4, -3, -2, -1))
    except OSError as error:
        raise _no_weights(name, error) from error
    except (RuntimeError, ValueError, AssertionError, TypeError, AttributeError, IndexError) as error:
        raise InputError(
            f"model.trunk.name: timm cannot output the features of {name} ({_line(error)}); choose another model"
        ) from error


@contextmanager
def _without_retries_on_the_console() -> Iterator[None]:
    """Suppress the downloader's messages about its attempts."""
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _features(body: nn.Module, name: str) -> list[tuple[int, int]]:
    """Return channels and stride of each feature, from a run of a copy of the body on the meta device."""
    height, width = 2 * _STRIDES[-1], 3 * _STRIDES[-1]
    try:
        outputs = deepcopy(body).to("meta").eval()(torch.empty(1, 3, height, width, device="meta"))
    except (RuntimeError, ValueError, AssertionError) as error:
        raise InputError(
            f"model.trunk.name: {name} does not take images of {height}x{width} px ({_line(error)});"
            " choose a convolutional network, such as resnet50"
        ) from error
    shapes = [tuple(output.shape[1:]) for output in outputs]
    if [shape[1:] for shape in shapes] != [(height // stride, width // stride) for stride in _STRIDES]:
        raise InputError(
            f"model.trunk.name: {name} outputs features of shapes {shapes} for a {height}x{width} image, not of"
            " strides 4, 8, 16 and 32; choose a convolutional network, such as resnet50"
        )
    return [(shape[0], stride) for shape, stride in zip(shapes, _STRIDES, strict=True)]


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def _separate_activations(body: nn.Module) -> None:
    """Replace timm's joint normalization and activation by separate modules with the same weights.

    Folding and the synchronization of statistics across devices require plain normalizations.
    """
    joint = import_module("timm.layers").BatchNormAct2d
    for name, norm in list(body.named_modules()):
        if type(norm) is joint:
            plain = nn.BatchNorm2d(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
            plain.load_state_dict(norm.state_dict(), strict=False, assign=True)  # an activation may have weights, too
            body.set_submodule(name, nn.Sequential(plain, norm.drop, norm.act))


def _wrap_stages(body: nn.Module, *, recompute: bool) -> int:
    """Wrap the stages of a network and return their number; names of weights do not depend on ``recompute``."""
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


def _described(*, architecture: str, **options: Any) -> TimmTrunk:
    """Build the trunk from its description, the output of ``options``."""
    return TimmTrunk(name=architecture, **options)


TRUNK = _described
