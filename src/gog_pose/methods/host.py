"""Host part of an exported method: the computation after the exported file, without PyTorch.

A method that can be exported defines it as ``HOST`` in ``methods/<name>/host.py``. Importing that module must not load
PyTorch, which a test checks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


class Host(NamedTuple):
    """The parts that convert the outputs of an exported file to poses.

    Attributes:
        decoders: Constructors of the decoders that can be exported, by the name of their rules.
        record: NamedTuple of the arrays that the file outputs; the decoder accepts it in place of maps. Its last fields
            may be optional, with None as default.
        fixed: Options of the decoder that cannot change after the export.
    """

    decoders: Mapping[str, Callable[..., Any]]
    record: type[Any]
    fixed: frozenset[str]
