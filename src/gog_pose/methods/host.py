"""The host's part of an exported method: what follows the file, without PyTorch.

A method that can be exported states it as ``HOST`` in ``methods/<name>/host.py``. Importing that module must not load
PyTorch, which a test checks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


class Host(NamedTuple):
    """The parts that turn the outputs of an exported file into poses.

    Attributes:
        decoders: Constructors of the decoders that can be exported, by the name of their rules.
        record: NamedTuple of the arrays that the file outputs; the decoder takes it in place of maps.
        fixed: Options of the decoder that the file fixes.
    """

    decoders: Mapping[str, Callable[..., Any]]
    record: type[Any]
    fixed: frozenset[str]
