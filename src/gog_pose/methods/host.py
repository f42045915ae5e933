"""The host's part of an exported method: what follows the file, without PyTorch.

A method that can be exported states it as ``HOST`` in ``methods/<name>/host.py``. Importing that module must not load
PyTorch, which a test checks.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from gog_pose.errors import InputError
from gog_pose.methods import method_names


class Host(NamedTuple):
    """What turns the outputs of an exported file into poses.

    Attributes:
        decoders: Constructors of the decoders that can be exported, by the name of their rules.
        record: NamedTuple of the arrays that the file outputs; the decoder takes it in place of maps.
        fixed: Options of the decoder that the file fixes.
    """

    decoders: Mapping[str, Callable[..., Any]]
    record: type[Any]
    fixed: frozenset[str]


def load_host(method: str) -> Host:
    """Return the host's part of a method by the method's name.

    Raises:
        InputError: There is no such method, or it cannot be exported.
    """
    name = f"{__package__}.{method}.host"
    if method not in method_names() or importlib.util.find_spec(name) is None:
        raise InputError(f"method: {method!r} cannot be run from an exported file")
    host: Host = importlib.import_module(name).HOST
    return host
