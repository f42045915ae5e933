"""One-line messages for errors that the user can fix: wrong options, unusable files, missing resources."""

from __future__ import annotations

import re
from pathlib import Path
from types import TracebackType

from hydra.errors import HydraException, InstantiationException, MissingConfigException
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from gog_pose.errors import InputError
from gog_pose.system.files import describe_os_error

_LONGEST = 500  # characters per line
_OTHER_COMMANDS = (("protocol", "gog-evaluate"), ("experiment", "gog-train"))

# Patterns of the RuntimeErrors that libraries raise if the machine lacks a resource, and the remedies.
_MACHINE = (
    (
        r"shared memory|shm|killed by signal: Bus error|torch_\d+_\d+",
        "the shared memory (/dev/shm) is missing or full: enlarge it (docker run --shm-size=8g), or use fewer loading"
        " processes (data.num_workers=0)",
    ),
    (r"Too many open files|items of ancdata", "raise the limit on open files (ulimit -n)"),
    (
        r"DataLoader worker .*(killed|exited unexpectedly)",
        "a loading process ended, possibly because of insufficient memory: use fewer processes (data.num_workers=)",
    ),
    (r"can't allocate memory|out of memory", "use smaller batches, smaller inputs, or fewer loading processes"),
    (
        r"NVIDIA driver|CUDA driver|CUDA-capable device|CUDA GPUs|compiled with CUDA|device ordinal|device string"
        r"|device type at start",
        "choose a device that this machine has, such as device=cpu or trainer=cpu",
    ),
    (r"EADDRINUSE|[Aa]ddress already in use", "another training uses this port: set MASTER_PORT to another port"),
    (
        r"gethostbyname|resolve hostname|Unable to find address",
        "set GLOO_SOCKET_IFNAME to a network device, such as lo",
    ),
    (r"closed by peer|reset by peer|Broken pipe|[Tt]imed out|NCCL", "another process of this run ended or hangs"),
    (r"Cannot re-initialize CUDA|CUDA error", "check the GPU, or choose device=cpu or trainer=cpu"),
)


def line_of(error: BaseException, config_dir: str, *, composing: bool = False) -> str | None:
    """Return a one-line message for an error that the user can fix; None if the error is a bug.

    Args:
        error: The raised error.
        config_dir: Root of the configuration files, to find the command that an option belongs to.
        composing: True while Hydra composes the configuration, when any error is a mistake in the configuration.
    """
    text = _text(error, config_dir)
    if text is None and composing:
        text = f"configuration: {_named(error)}"
    return None if text is None else " ".join(text.split())[:_LONGEST]


def _text(error: BaseException, config_dir: str) -> str | None:
    told = _input_error(error)
    if told is not None:
        return _original_message(told)
    if isinstance(error, InstantiationException):
        cause = error.__cause__
        return f"configuration: {error}" if cause is None else f"configuration{_key(error)}: {_named(cause)}"
    if isinstance(error, (HydraException, OmegaConfBaseException)):
        return _composition(error, config_dir)
    if isinstance(error, YAMLError):
        return f"configuration: invalid YAML: {error}"
    if isinstance(error, UnicodeDecodeError):
        line = error.object[: error.end].rpartition(b"\n")[2]
        file = _file_read(error.__traceback__)
        return f"{file or 'configuration'}: not UTF-8 text after {line[-60:]!r}; save the file as UTF-8"
    if isinstance(error, OSError):
        file = f"{error.filename}: " if error.filename is not None else ""
        return f"{file}{describe_os_error(error)}"
    if isinstance(error, MemoryError):
        return f"out of memory ({error}); use smaller batches, smaller inputs, or fewer loading processes"
    if isinstance(error, RecursionError):
        return "configuration: is nested too deeply; simplify it"
    if isinstance(error, (RuntimeError, AssertionError)):
        for pattern, remedy in _MACHINE:
            if re.search(pattern, str(error)):
                return f"{str(error).strip().splitlines()[0]}; {remedy}"
    return None


def _input_error(error: BaseException) -> InputError | None:
    """Return the first ``InputError`` in the chain of causes, because Hydra wraps the errors of constructors."""
    wrapped = isinstance(error, (HydraException, OmegaConfBaseException))
    found: BaseException | None = error
    while found is not None and not isinstance(found, InputError):
        found = found.__cause__ or (found.__context__ if wrapped else None)
    return found


def _original_message(error: InputError) -> str:
    """Return the message of an error, without the traceback that a DataLoader worker adds to it."""
    _, _, original = str(error).rpartition("gog_pose.errors.InputError: ")
    return original


def _composition(error: BaseException, config_dir: str) -> str:
    """Return the message of an error in the composition of the configuration."""
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, option = str(error.missing_cfg_file).partition("/")
        for other, command_name in _OTHER_COMMANDS:
            if group != other and Path(config_dir, other, f"{option}.yaml").is_file():
                return f"{group}: {option!r} is for {command_name}; use {command_name} {other}={option}"
    # For an unknown key, OmegaConf's message (the cause) is more specific than Hydra's; show both.
    cause = error.__cause__
    return f"{error} {cause}" if cause is not None and str(cause) not in str(error) else str(error)


def _key(error: InstantiationException) -> str:
    """Return the key in the configuration that Hydra's message names."""
    found = re.search(r"full_key: (\S+)", str(error))
    return f".{found[1]}" if found else ""


def _named(error: BaseException) -> str:
    """Return the message of an error; the type is added except for ``ValueError``."""
    return str(error) if isinstance(error, ValueError) and str(error) else f"{type(error).__name__}: {error}"


def _file_read(traceback: TracebackType | None) -> str | None:
    """Return the file that was being read, from the local variables of the function that opened it."""
    found = None
    while traceback is not None:
        place = traceback.tb_frame.f_locals.get("full_path")
        found = place if isinstance(place, str) else found
        traceback = traceback.tb_next
    return found
