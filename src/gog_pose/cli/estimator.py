"""Estimator of ``gog-evaluate`` and ``gog-predict``, built from a checkpoint or an exported file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gog_pose.errors import InputError

if TYPE_CHECKING:
    from gog_pose.estimator import PoseEstimator


def build_estimator(options: dict[str, Any], device: str, batch_size: int) -> PoseEstimator:
    """Build the estimator from a command's options.

    Raises:
        InputError: The file is of neither kind, or an option is out of range or fixed in an exported file.
    """
    from gog_pose.estimator import PoseEstimator

    path, sizes = options["checkpoint"], options["input"]
    changeable = {
        "long_side": sizes["long_side"],
        "height": sizes.get("height"),
        "decoder": {key: value for key, value in options["decoder"].items() if value is not None},
        "batch_size": batch_size,
    }
    if is_exported(path):
        changes = {
            "precision": str(options["precision"]) != "32",
            "input.scales": sizes["scales"] != [1],
            "input.multiple": sizes.get("multiple") is not None,
            "input.short_side": sizes.get("short_side") is not None,
        }
        for option, changed in changes.items():
            if changed:
                raise InputError(f"{option}: is fixed in an exported file; omit it, or give the checkpoint")
        estimator = PoseEstimator.from_onnx(path, device, **changeable)
        if options["flip"] and not estimator.network.flip:
            raise InputError(f"flip: {path} does not use mirror images; give flip=true to gog-export")
        return estimator
    return PoseEstimator.pretrained(
        path,
        device,
        scales=sizes["scales"],
        pad_multiple=sizes.get("multiple"),
        short_side=sizes.get("short_side"),
        flip=options["flip"],
        precision=str(options["precision"]),
        **changeable,
    )


def is_exported(path: str) -> bool:
    """Return whether a file has the suffix of ``gog-export``; such files output candidates instead of maps."""
    return Path(path).suffix == ".onnx"
