"""Shared parts of the commands: path of the configuration, construction of objects, report of errors."""

from __future__ import annotations

import functools
import importlib
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hydra
from hydra.errors import HydraException, InstantiationException, MissingConfigException
from hydra.utils import instantiate as hydra_instantiate
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gog_pose import __version__
from gog_pose.cli.choices import check_choices
from gog_pose.errors import InputError

# The packages that a configuration may build objects of; of ours functions, too, of others only classes.
OURS = "gog_pose."
ALLOWED_TARGETS = (OURS, "pytorch_lightning.", "torch.optim.", "albumentations.")


def config_dir() -> str:
    """Return the absolute path of the Hydra tree: packaged in a wheel, at the repository root in a checkout."""
    package = Path(__file__).resolve().parents[1]
    packaged = package / "conf"
    return str(packaged if packaged.is_dir() else package.parents[1] / "conf")


def instantiate(node: Any, **kwargs: Any) -> Any:
    """Build the object that a configuration node describes.

    Args:
        node: A node with ``_target_``; nested lists and dicts arrive in constructors as plain Python.
        **kwargs: Further keyword arguments of the constructor.

    Raises:
        InputError: A ``_target_`` is not defined in the packages that a configuration may use, or the constructor
            raised it.
    """
    for target in _targets(node):
        _check_target(target)
    try:
        return hydra_instantiate(node, _convert_="all", **kwargs)
    except InstantiationException as error:
        if isinstance(error.__cause__, TypeError) and "unexpected keyword argument" in str(error.__cause__):
            raise InputError(f"configuration: {error.__cause__}; remove the option, or choose another") from error
        if isinstance(error.__cause__, TypeError) and "required" in str(error.__cause__):
            raise InputError(f"configuration: {error.__cause__}; add it") from error
        raise


def _check_target(target: str) -> None:
    """Check where a target is defined, whatever name it is reached by: packages re-export what they import.

    Raises:
        InputError: It is not a class or function of the packages that a configuration may use.
    """
    refused = InputError(
        f"configuration: _target_ {target!r} is not a class of {', '.join(name + '*' for name in ALLOWED_TARGETS)};"
        " name one where it is defined"
    )
    if not target.startswith(ALLOWED_TARGETS):
        raise refused
    module, _, name = target.rpartition(".")
    try:
        found: Any = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise InputError(f"configuration: _target_ {target!r} does not exist ({error})") from error
    buildable = inspect.isclass(found) or (inspect.isfunction(found) and target.startswith(OURS))
    defined = f"{getattr(found, '__module__', '')}."
    if not buildable or not defined.startswith(ALLOWED_TARGETS) or "." in found.__qualname__:
        raise refused
    if inspect.isfunction(found) and not defined.startswith(OURS):
        raise refused


def _targets(node: Any) -> Iterator[str]:
    if isinstance(node, DictConfig):
        for key in node:
            if key == "_target_":
                yield str(node[key])
            else:
                yield from _targets(node[key])
    elif isinstance(node, ListConfig):
        for item in node:
            yield from _targets(item)


def command(config_name: str) -> Callable[[Callable[[DictConfig], Any]], Callable[[], None]]:
    """Make a Hydra application of a function that takes the composed configuration.

    A user's mistake (``InputError``, or a configuration that does not compose) is reported in one line and ends the
    process with code 2; anything else is a bug and shows its traceback. Heavy libraries are imported by the function,
    so that mistakes in the configuration are reported before that.

    Args:
        config_name: The primary configuration, ``conf/<config_name>.yaml``.
    """

    def decorate(run: Callable[[DictConfig], Any]) -> Callable[[], None]:
        @functools.wraps(run)
        def checked(cfg: DictConfig) -> Any:
            with _reported_in_one_line():  # here already: Hydra would print a line of its own before
                check_choices(cfg)
                return run(cfg)  # a sweeper looks at what is returned

        def main() -> None:
            if "--version" in sys.argv[1:]:
                print(f"gog_pose {__version__}")
                return
            # Hydra then raises instead of printing, so that all errors are reported in one way.
            os.environ.setdefault("HYDRA_FULL_ERROR", "1")
            application = hydra.main(version_base="1.3", config_path=config_dir(), config_name=config_name)(checked)
            with _reported_in_one_line():
                application()

        main.__doc__ = run.__doc__
        return main

    return decorate


@contextmanager
def _reported_in_one_line() -> Iterator[None]:
    """End the process with code 2 and one line on an error that the user can fix, with code 130 on Ctrl+C."""
    try:
        yield
    except (InputError, HydraException, OmegaConfBaseException) as error:
        known = _cause(error) or _composition_error(error)
        if known is None:
            raise
        line = " ".join(_original_message(known).split())
        print(f"{Path(sys.argv[0]).name}: error: {line}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def _cause(error: BaseException | None) -> BaseException | None:
    """Return the first ``InputError`` along the chain of causes (Hydra wraps what constructors raise)."""
    while error is not None and not isinstance(error, InputError):
        error = error.__cause__ or error.__context__
    return error


def _original_message(error: BaseException) -> str:
    """Return the message; an error from a DataLoader worker arrives with that worker's traceback wrapped around it."""
    _, _, original = str(error).rpartition("gog_pose.errors.InputError: ")
    return original


def _composition_error(error: BaseException) -> BaseException | None:
    """Return the error if it is about the configuration itself, not about an object built from it."""
    if isinstance(error, InstantiationException):
        return None
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, option = str(error.missing_cfg_file).partition("/")
        for other, command_name in (("protocol", "gog-evaluate"), ("experiment", "gog-train")):
            if group != other and Path(config_dir(), other, f"{option}.yaml").is_file():
                return InputError(f"{group}: {option!r} is for {command_name}; use {command_name} {other}={option}")
    # An unknown key is reported by OmegaConf below Hydra's more general words; show the cause too.
    cause = error.__cause__
    if cause is not None and str(cause) not in str(error):
        return InputError(f"{error} {cause}")
    return error


def resolved(config: DictConfig) -> dict[str, Any]:
    """Return the whole configuration as plain Python, interpolations resolved."""
    container = OmegaConf.to_container(config, resolve=True)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}
