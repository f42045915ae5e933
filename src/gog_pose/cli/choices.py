"""Quick checks of a composed configuration, before slow imports and before data are read."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig, OmegaConf

from gog_pose.errors import InputError

_METHODS = "gog_pose.methods."
_PARTS = ("encoder", "heads", "loss", "decoder")


def check_choices(config: DictConfig) -> None:
    """Check that the parts of the configuration are compatible.

    Raises:
        InputError: The parts belong to different methods, or their stride differs from the trunk's.
    """
    method = OmegaConf.select(config, "method")
    if method is None:
        return
    if not isinstance(method, DictConfig):
        raise InputError(f"method: must be an option of the group, such as method=gog, got {method}")
    for part in _PARTS:
        if part in method and not (isinstance(method[part], DictConfig) and "_target_" in method[part]):
            raise InputError(f"method.{part}: must be a description with _target_, got {method[part]}")
    owners = {part: _owner(method.get(part)) for part in _PARTS if method.get(part) is not None}
    for part, owner in owners.items():
        if owner != owners["encoder"]:
            raise InputError(
                f"method.{part}: belongs to {owner}, but method.encoder to {owners['encoder']}; choose"
                f" method={owners['encoder']} or method={owner} for all parts"
            )
    stride = OmegaConf.select(config, "stride")
    for part in _PARTS:
        own = OmegaConf.select(config, f"method.{part}.stride")
        if own is not None and own != stride:
            where = "the trunk's stride " if OmegaConf.select(config, "model") is not None else "stride="
            raise InputError(f"method.{part}.stride: {own} differs from {where}{stride}; omit it")


def _owner(part: Any) -> str:
    """Return the method that a part belongs to, derived from its target."""
    target = str(part.get("_target_"))
    return target.removeprefix(_METHODS).partition(".")[0] if target.startswith(_METHODS) else target
