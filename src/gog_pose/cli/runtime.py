"""Shared parts of the commands: configuration path, construction of objects, checks, locks and error reports."""

from __future__ import annotations

import functools
import logging
import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import hydra
from hydra.errors import InstantiationException
from hydra.utils import instantiate as hydra_instantiate
from omegaconf import DictConfig, ListConfig

from gog_pose import __version__
from gog_pose.cli.aliases import check_aliases
from gog_pose.cli.choices import check_choices
from gog_pose.cli.options import check_options, resolved
from gog_pose.cli.reports import line_of
from gog_pose.cli.targets import find_target
from gog_pose.errors import InputError
from gog_pose.system.allocator import keep_freed_memory
from gog_pose.system.files import only_writer
from gog_pose.system.interrupts import raise_on_termination
from gog_pose.system.options import shown

OUTPUT = "hydra.run.dir"  # option that sets the folder of a run

__all__ = ["command", "config_dir", "instantiate", "resolved"]


def config_dir() -> str:
    """Return the absolute path of ``conf``: inside the package in a wheel, in the repository root in a checkout."""
    package = Path(__file__).resolve().parents[1]
    packaged = package / "conf"
    return str(packaged if packaged.is_dir() else package.parents[1] / "conf")


def instantiate(node: Any, **kwargs: Any) -> Any:
    """Build the object that a configuration node describes.

    Args:
        node: A node with ``_target_``; nested lists and dicts are converted to plain Python.
        **kwargs: Further keyword arguments of the constructor.

    Raises:
        InputError: A ``_target_`` is not defined in the packages that a configuration may use, or the constructor
            raised this error.
    """
    if not isinstance(node, DictConfig) or "_target_" not in node:
        raise InputError(
            f"configuration: {shown(node)} is not a description with _target_; choose an option of its group"
        )
    for target in _targets(node):
        find_target(target)
    try:
        built = hydra_instantiate(node, _convert_="all", **kwargs)
    except InstantiationException as error:
        if isinstance(error.__cause__, TypeError) and "unexpected keyword argument" in str(error.__cause__):
            raise InputError(f"configuration: {error.__cause__}; remove or rename the option") from error
        if isinstance(error.__cause__, TypeError) and "required" in str(error.__cause__):
            raise InputError(f"configuration: {error.__cause__}; add the option") from error
        raise
    return _Part(built, str(node["_target_"])) if isinstance(built, functools.partial) else built


class _Part:
    """A partially applied constructor that raises ``InputError`` for invalid arguments."""

    def __init__(self, build: Callable[..., Any], target: str) -> None:
        self._build = build
        self._target = target

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return self._build(*args, **kwargs)
        except (ValueError, TypeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"configuration: {self._target}: {error}; change its options") from error


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


def command(
    config_name: str, folder: str | None = None, prepare: Callable[[DictConfig], None] | None = None
) -> Callable[[Callable[[DictConfig], Any]], Callable[[], None]]:
    """Make a Hydra application of a function whose argument is the composed configuration.

    All options are checked before the function runs. A mistake of the user or a missing resource of the machine is
    reported in one line, with exit code 2. The exit code after Ctrl+C and SIGTERM is 130. Any other error is a bug and
    shows its traceback.

    Args:
        config_name: The primary configuration, ``conf/<config_name>.yaml``.
        folder: Option that names the output folder, which is locked while the command runs.
        prepare: Removes options that the command does not read from the configuration.
    """
    composed: list[bool] = []

    def decorate(run: Callable[[DictConfig], Any]) -> Callable[[], None]:
        @functools.wraps(run)
        def checked(cfg: DictConfig) -> Any:
            composed.append(True)
            with _reported_in_one_line(composed):  # inside Hydra, which would otherwise print another line
                if prepare is not None:
                    prepare(cfg)
                check_choices(cfg)
                options = check_options(config_name, cfg)
                with _locked(options, folder):
                    return run(cfg)  # sweepers use the return value

        def main() -> None:
            if "--version" in sys.argv[1:]:
                print(f"gog_pose {__version__}")
                return
            # Hydra then raises errors instead of printing them, so that all errors are reported in the same way.
            os.environ.setdefault("HYDRA_FULL_ERROR", "1")
            logging.raiseExceptions = False  # ignore failed log lines on a full disk; result files raise errors
            raise_on_termination()
            keep_freed_memory()
            application = hydra.main(version_base="1.3", config_path=config_dir(), config_name=config_name)(checked)
            composed.clear()
            with _reported_in_one_line(composed):
                check_aliases(sys.argv[1:])
                application()

        main.__doc__ = run.__doc__
        return main

    return decorate


def _locked(options: Mapping[str, Any], option: str | None) -> Any:
    """Lock the output folder against other processes; in a distributed run, only the first process holds the lock."""
    folder = None if option is None else options.get(option)
    if option == OUTPUT:
        folder = options["paths"]["output_dir"] if _is_first_process() else None
    return nullcontext() if folder is None else only_writer(Path(folder), option or "")


def _is_first_process() -> bool:
    """Return whether this is the first process of a run, from the environment variables of launchers."""
    return all(os.environ.get(rank, "0") == "0" for rank in ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID"))


@contextmanager
def _reported_in_one_line(composed: Collection[bool]) -> Iterator[None]:
    """End the process with one line and code 2 on an error that the user can fix, and with code 130 on Ctrl+C.

    Args:
        composed: Empty while Hydra composes the configuration.
    """
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        line = line_of(error, config_dir(), composing=not composed)
        if line is None:
            raise
        print(f"{Path(sys.argv[0]).name}: error: {line}", file=sys.stderr)
        sys.exit(2)
