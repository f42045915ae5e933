"""Methods: the ways to write people into maps and to read them back, one folder each.

For users: ``load_method("gog")`` gives a method's constructors: ``.encoder``, ``.heads``, ``.loss``, ``.decoder``.
``method_names()`` lists the methods. The package finds them by listing this folder; no table is edited.

How to add a method ``mine``:

1. ``methods/mine/records.py``: the maps that the network predicts and the targets, as two NamedTuples, and
   ``fields(skeleton, stride)``, which lists the maps (``maps/fields.py``). Flip, scales, checks and noise follow.
   ``Targets.as_maps()`` returns the maps of a perfect network.
2. ``methods/mine/encoder.py``: ``marks`` computes the cells that are not 0, in a loading process; ``draw`` makes
   targets of them, on the device.
3. ``methods/mine/heads.py``: from the features of the trunk to maps.
4. ``methods/mine/loss.py``: from maps and targets to ``LossTerms``.
5. ``methods/mine/decoder.py``: from maps to ``Poses``; a frozen dataclass of the skeleton and plain values.
6. ``methods/mine/views.py``: pictures of the maps, as a mapping ``VIEWS``; ``methods/views.py`` has those of heatmaps.
7. ``methods/mine/__init__.py``: ``METHOD = Method(...)``, which names these parts.
8. ``conf/method/mine.yaml``: the nodes ``encoder``, ``heads``, ``loss`` and ``decoder`` with their options.

``gog-train method=mine`` and all other commands then work, and ``tests/methods/test_contract.py`` tests the method.
The protocols of the parts are in ``method.py``.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from typing import TYPE_CHECKING

from gog_pose.errors import InputError

if TYPE_CHECKING:
    from gog_pose.methods.host import Host
    from gog_pose.methods.method import Method

__all__ = ["load_host", "load_method", "method_names", "method_of"]


def method_names() -> list[str]:
    """Return the names of all methods."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.ispkg)


def load_method(name: str) -> Method:
    """Return a method by its name, the name of its folder.

    Raises:
        InputError: There is no such method.
    """
    if name not in method_names():
        raise InputError(f"method: {name!r} is unknown; choose {', '.join(method_names())}")
    method: Method = importlib.import_module(f"{__name__}.{name}").METHOD
    return method


def load_host(method: str) -> Host:
    """Return the host's part of a method by the method's name.

    Raises:
        InputError: There is no such method, or it cannot be exported.
    """
    name = f"{__name__}.{method}.host"
    if method not in method_names() or importlib.util.find_spec(name) is None:
        raise InputError(f"method: {method!r} cannot be run from an exported file")
    host: Host = importlib.import_module(name).HOST
    return host


def method_of(part: object) -> str:
    """Return the name of the method that an encoder, heads, a loss or a decoder belongs to: the folder of its class."""
    module = type(part).__module__
    if not module.startswith(f"{__name__}."):
        raise InputError(f"method: {type(part).__name__} is not part of a method; choose {', '.join(method_names())}")
    return module.removeprefix(f"{__name__}.").partition(".")[0]
