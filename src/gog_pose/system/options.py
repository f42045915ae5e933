"""Types and ranges of options, declared in the annotations of constructors.

``batch_size: Count = 32`` declares a whole number of 1 or more. ``check_arguments`` compares options of a configuration
or a checkpoint with these annotations, and with plain ones, before objects are built.
"""

from __future__ import annotations

import inspect
import math
import reprlib
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from gog_pose.errors import InputError

_LONGEST = 60  # characters per value in messages
_TARGET = "_target_"  # key of a description from which an object is built


@dataclass(frozen=True)
class Range:
    """Bounds of a number; infinite numbers and NaN are never inside.

    Attributes:
        least: Lower bound.
        most: Upper bound.
        above: True if the lower bound is excluded.
    """

    least: float = -math.inf
    most: float = math.inf
    above: bool = False

    def __contains__(self, value: float) -> bool:
        return math.isfinite(value) and self.least <= value <= self.most and not (self.above and value == self.least)

    def __str__(self) -> str:
        if self.most == math.inf:
            return f"above {self.least:g}" if self.above else f"of {self.least:g} or more"
        return f"{'above' if self.above else 'from'} {self.least:,} to {self.most:,}"


LARGEST_SEED = 2**32 - 1  # NumPy's

Count = Annotated[int, Range(1, 1_000_000)]
CountOrZero = Annotated[int, Range(0, 1_000_000)]
Channels = Annotated[int, Range(1, 65_536)]
Pixels = Annotated[int, Range(1, 65_536)]
Seed = Annotated[int, Range(0, LARGEST_SEED)]
Positive = Annotated[float, Range(0, above=True)]
NotNegative = Annotated[float, Range(0)]
Share = Annotated[float, Range(0, 1)]


def check_arguments(
    build: Callable[..., Any], arguments: Mapping[str, Any], where: str, kinds: Mapping[str, Any] | None = None
) -> None:
    """Check arguments against the annotations of a function or class.

    Objects and arguments without a supported annotation are accepted without a check.

    Args:
        build: The function or class.
        arguments: Arguments by name; a description with ``_target_`` counts as an object.
        where: Path of the arguments, for messages; may be empty.
        kinds: Annotations by name that replace those of the function or class.

    Raises:
        InputError: An argument is unknown, of a wrong type, or out of range.
    """
    hints = {**_hints(build), **(kinds or {})}
    known, takes_all = _parameters(build)
    for name, value in arguments.items():
        place = f"{where}.{name}" if where else name
        if not takes_all and name not in known:
            raise InputError(f"{place}: is not an option of {_name(build)}; choose from {', '.join(known)}")
        if name in hints:
            require(place, value, hints[name])


def require(place: str, value: Any, kind: Any) -> None:
    """Check a value against a type annotation.

    Raises:
        InputError: The value has a wrong type or is out of range.
    """
    if not _fits(value, kind):
        raise InputError(f"{place}: must be {describe(kind)}, got {shown(value)}")


def describe(kind: Any) -> str:
    """Return a description of a type annotation in words."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        bounds = ", ".join(str(bound) for bound in parts[1:] if isinstance(bound, Range))
        return f"{describe(parts[0])} {bounds}".rstrip()
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(describe(part) for part in parts))
    if origin is Literal:
        return " or ".join(map(str, parts))
    if _is_sequence(origin or kind):
        if origin is tuple and Ellipsis not in parts:
            return f"a list of {len(parts)}, each {' or '.join(dict.fromkeys(describe(part) for part in parts))}"
        return f"a list, each {describe(parts[0])}" if parts and not isinstance(parts[0], TypeVar) else "a list"
    if _is_mapping(origin or kind):
        return "a mapping"
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "null"}
    return words.get(kind, "a path" if _is_path(kind) else "a description with _target_")


def shown(value: Any) -> str:
    """Return a value as text for a message, on one line and shortened."""
    shortened = reprlib.Repr()
    shortened.maxstring = shortened.maxother = shortened.maxlong = _LONGEST
    return shortened.repr(value)


def _fits(value: Any, kind: Any) -> bool:
    origin, parts = get_origin(kind), get_args(kind)
    if kind is Any or kind is object or isinstance(kind, (str, TypeVar)):
        return True
    if origin is Annotated:
        bounds = [bound for bound in parts[1:] if isinstance(bound, Range)]
        return _fits(value, parts[0]) and all(not _is_number(value) or value in bound for bound in bounds)
    if origin in (Union, types.UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is Literal:
        return any(value == part and type(value) is type(part) for part in parts)
    if kind in (bool, str, type(None), None):
        return value is None if kind in (type(None), None) else type(value) is kind
    if kind is int:
        return type(value) is int
    if kind is float:
        return _is_number(value) and math.isfinite(value)
    if _is_path(kind):
        return isinstance(value, (str, PathLike))
    if _is_sequence(origin or kind):
        return isinstance(value, (list, tuple)) and _items_fit(value, origin, parts)
    if _is_mapping(origin or kind):
        values = parts[1] if len(parts) == 2 else Any
        return isinstance(value, Mapping) and all(_fits(item, values) for item in value.values())
    return _TARGET in value if isinstance(value, Mapping) else not _is_plain(value)


def _items_fit(value: Sequence[Any], origin: Any, parts: tuple[Any, ...]) -> bool:
    if origin is tuple and Ellipsis not in parts:
        return len(value) == len(parts) and all(_fits(item, part) for item, part in zip(value, parts, strict=True))
    return not parts or all(_fits(item, parts[0]) for item in value)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float, str, list, tuple))


def _is_path(kind: Any) -> bool:
    kind = get_origin(kind) or kind
    return isinstance(kind, type) and issubclass(kind, PathLike)


def _is_sequence(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Sequence) and not issubclass(kind, str)


def _is_mapping(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Mapping)


def _name(build: Any) -> str:
    return str(getattr(build, "__name__", build))


def _parameters(build: Callable[..., Any]) -> tuple[list[str], bool]:
    """Return the parameter names of a function or class, and whether it also accepts other names."""
    try:
        parameters = list(_own(inspect.signature(build).parameters.values()))
    except (TypeError, ValueError):
        return [], True
    named = [parameter.name for parameter in parameters if parameter.kind not in _STARRED]
    return named, any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters)


_STARRED = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)


def _own(parameters: Any) -> Iterator[inspect.Parameter]:
    for parameter in parameters:
        if parameter.name != "self":
            yield parameter


def _hints(build: Any) -> dict[str, Any]:
    """Return the annotations of a function or of the constructor of a class; empty if they cannot be read."""
    function = build.__init__ if inspect.isclass(build) else build
    try:
        return get_type_hints(function, include_extras=True)
    except (NameError, TypeError, AttributeError):
        return {}
