"""Targets of a configuration: the classes and functions that it may call to build objects."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from gog_pose.errors import InputError

# Packages whose classes a configuration may name, and the modules where these may be defined. Other classes are unsafe:
# Lightning's command line, for example, imports any module that its arguments name.
OURS = "gog_pose."
ALLOWED_TARGETS = (OURS, "pytorch_lightning.", "torch.optim.", "albumentations.")
_LIGHTNING = ("trainer", "callbacks", "loggers", "strategies", "plugins", "profilers")
_DEFINED_IN = (OURS, *(f"pytorch_lightning.{part}." for part in _LIGHTNING), "torch.optim.", "albumentations.")
# Modules whose functions are allowed as well.
_FUNCTIONS_OF = tuple(
    f"{OURS}{module}" for module in ("skeleton", "networks.trunks.timm", "training.schedules", "training.loggers")
)


def find_target(target: Any) -> Any:
    """Return a target after checking the module that defines it, because packages also re-export imported objects.

    Raises:
        InputError: The target is not a class or function of the packages that a configuration may use.
    """
    refused = InputError(
        f"configuration: _target_ {target!r} is not a class of {', '.join(name + '*' for name in ALLOWED_TARGETS)};"
        " name the class in the module that defines it"
    )
    if not isinstance(target, str) or not target.startswith(ALLOWED_TARGETS):
        raise refused
    module, _, name = target.rpartition(".")
    try:
        found: Any = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise InputError(f"configuration: _target_ {target!r} does not exist ({error})") from error
    defined_in = getattr(found, "__module__", None) or ""
    if inspect.isfunction(found):
        allowed = defined_in in _FUNCTIONS_OF and not name.startswith("_")
    else:
        allowed = inspect.isclass(found) and f"{defined_in}.".startswith(_DEFINED_IN) and "." not in found.__qualname__
    if not allowed:
        raise refused
    return found
