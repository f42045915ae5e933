"""Types and ranges of all options of a command, checked once after its configuration is composed.

Options that are arguments of a constructor are checked against its annotations. This module lists options that are not
arguments of a constructor, and arguments of other packages, whose annotations have no ranges.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from omegaconf import DictConfig, OmegaConf

from gog_pose.cli.targets import find_target
from gog_pose.system.options import (
    Count,
    CountOrZero,
    NotNegative,
    Pixels,
    Positive,
    Range,
    Seed,
    Share,
    check_arguments,
    require,
)

_UNLIMITED = Annotated[int, Range(-1)]  # -1 = no limit


class Description:
    """Type of options that are descriptions of an object, with ``_target_``."""


# By path; the same in all commands, except for _OF_COMMAND.
_SHARED: dict[str, Any] = {
    "annotations": str | None,
    "augmentation": Description,
    "benchmark": Description,
    "batch_size": Count,
    "calibration": str | list[str] | None,
    "category": str | list[str] | None,
    "checkpoint": str | None,
    "compare": str | None,
    "compile": Mapping[str, Any] | None,
    "data.annotations": str,
    "data.category": str | list[str] | None,
    "data.images": str,
    "data.root": str,
    "data.train_split": str,
    "data.val_split": str,
    "decoder": Mapping[str, Any],
    "detections": str | None,
    "device": str,
    "devices": Count,
    "every": Count,
    "flip": bool,
    "format": str,
    "group": str | None,
    "height_range": tuple[Positive, Positive],
    "image_size": tuple[Pixels, Pixels],
    "images": str | None,
    "find_rate": Count | None,
    "init": str | None,
    "input.height": Pixels | None,
    "input.long_side": Pixels | None,
    "input.multiple": Pixels | None,
    "input.short_side": Pixels | None,
    "input.scales": list[Positive],
    "keypoints.f1_oks": Annotated[float, Range(0, 1, above=True)],
    "keypoints.pck": list[Positive],
    "keypoints.pck_size": str,
    "kind": str,
    "limit": Count | None,
    "link": bool,
    "long_side": Pixels,
    "max_people": Count,
    "model.neck": Mapping[str, Any] | None,
    "model.trunk": Description,
    "model.offset_unit": Positive,
    "model.offset_weight": NotNegative,
    "model.stride": Count,
    "multiple": Pixels,
    "name": str | None,
    "num_train": CountOrZero,
    "num_val": CountOrZero,
    "num_workers": CountOrZero,
    "noise": Description,
    "one_based": bool,
    "optim.optimizer": Description,
    "optim.schedule": Description,
    "optim.trunk_rate": NotNegative,
    "output": str | None,
    "paths.data_dir": str,
    "paths.output_dir": str,
    "pictures.min_score": float,
    "precision": str | int,
    "preprocessing": Description,
    "previews": CountOrZero,
    "protectors": bool,
    "report": str | None,
    "results": str | None,
    "resume": str | None,
    "seed": Seed,
    "skeleton": Description,
    "skeletons": list[str],
    "source": str | int | None,
    "split": str | None,
    "stride": Count,
    "subset": str,
    "tags": list[str],
    "trainer": Description,
    "track": bool,
    "tracking.camera_motion": bool,
    "tracking.max_gap": NotNegative,
    "tracking.min_oks": Share,
    "tracking.high_score": float,
    "tracking.low_score": float,
    "one_euro.min_cutoff": Positive,
    "one_euro.speed_cutoff": Positive,
    "one_euro.speed_gain": NotNegative,
    "smooth": bool,
    "val_share": Share,
    "video.codec": str | None,
    "video.rate": Positive | None,
    "views": list[str],
    "workers": CountOrZero | None,
    "worst": CountOrZero,
}
_OF_COMMAND: dict[str, dict[str, Any]] = {
    "import_data": {"keypoints": list[str] | None},
    "inspect": {"data": Description, "images": bool},
    "predict": {"batch_size": Count | None},
    "train": {"callbacks": Mapping[str, Description], "data": Description, "logger": Mapping[str, Description]},
    "synthesize": {"output": str, "workers": CountOrZero},
}
_FLAGS = {"_partial_": bool, "_recursive_": bool, "_convert_": Literal["none", "partial", "object", "all"]}
_ARGUMENTS_OF = {"benchmark": "benchmark"}  # commands whose options are all arguments of one node

# By module and class: arguments whose range the other package does not declare.
_OTHERS: dict[str, dict[str, Any]] = {
    "pytorch_lightning.trainer.trainer.Trainer": {
        "accumulate_grad_batches": Count,
        "check_val_every_n_epoch": Count | None,
        "devices": _UNLIMITED | str | list[CountOrZero],
        "gradient_clip_val": NotNegative | None,
        "limit_train_batches": CountOrZero | Share | None,
        "limit_val_batches": CountOrZero | Share | None,
        "log_every_n_steps": Count,
        "max_epochs": _UNLIMITED | None,
        "max_steps": _UNLIMITED,
        "max_time": str | Mapping[str, int] | None,
        "num_nodes": Count,
        "num_sanity_val_steps": _UNLIMITED,
        "precision": str | int,
    },
    "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint": {
        "mode": Literal["min", "max"],
        "save_top_k": _UNLIMITED,
    },
    "torch.optim.": {
        "lr": Positive,
        "betas": tuple[Share, Share],
        "eps": NotNegative,
        "weight_decay": NotNegative,
        "momentum": NotNegative,
    },
}


def check_options(command: str, config: DictConfig) -> dict[str, Any]:
    """Check all options of a composed configuration.

    Args:
        command: Name of the primary configuration.
        config: The configuration.

    Returns:
        The configuration as plain Python, interpolations resolved.

    Raises:
        InputError: An option has a wrong type or is out of range, or a constructor does not have the argument.
        OmegaConfBaseException: A value is missing, or an interpolation cannot be resolved.
    """
    options = resolved(config)
    for path, kind in (_SHARED | _OF_COMMAND.get(command, {})).items():
        found, value = _at(options, path)
        if found and command not in _ARGUMENTS_OF:
            require(path, value, kind)
    for path, node in _descriptions(options, ""):
        build = find_target(node["_target_"])
        arguments = {name: value for name, value in node.items() if not name.startswith("_")}
        for name, kind in _FLAGS.items():
            require(f"{path}.{name}", node.get(name, False if kind is bool else "all"), kind)
        check_arguments(build, arguments, path, _kinds(build))
    return options


def has_rule(command: str, path: str) -> bool:
    """Return whether the type of an option that is not an argument of a constructor is listed."""
    rules = _SHARED | _OF_COMMAND.get(command, {})
    return command in _ARGUMENTS_OF or any(path == rule or path.startswith(f"{rule}.") for rule in rules)


def resolved(config: DictConfig) -> dict[str, Any]:
    """Return the whole configuration as plain Python, interpolations resolved."""
    container = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}


def _at(options: Any, path: str) -> tuple[bool, Any]:
    """Return whether an option exists, and its value."""
    for part in path.split("."):
        if not isinstance(options, dict) or part not in options:
            return False, None
        options = options[part]
    return True, options


def _descriptions(value: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the descriptions of objects, with their paths."""
    if isinstance(value, dict):
        if "_target_" in value:
            yield path, value
        for name, item in value.items():
            yield from _descriptions(item, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _descriptions(item, f"{path}.{place}")


def _kinds(build: Any) -> dict[str, Any]:
    """Return the listed arguments of a class and its base classes."""
    kinds: dict[str, Any] = {}
    for owner in inspect.getmro(build) if inspect.isclass(build) else ():
        name = f"{owner.__module__}.{owner.__qualname__}"
        for listed, own in _OTHERS.items():
            if name == listed or (listed.endswith(".") and name.startswith(listed)):
                kinds = own | kinds
    return kinds
