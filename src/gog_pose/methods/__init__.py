"""Methods, which encode people as maps and decode maps to people, one folder per method.

For users: ``load_method("gog")`` returns a method with its constructors ``.encoder``, ``.heads``, ``.loss`` and
``.decoder``. ``method_names()`` lists the methods, which are the subfolders of this folder.

How to add a method ``mine``:

1. ``methods/mine/records.py``: the maps that the network predicts and the targets, as two NamedTuples, and
   ``fields(skeleton, stride)``, which lists the maps (``maps/fields.py``) for the flip test, scales, checks and noise.
   ``Targets.as_maps()`` returns the maps of a perfect network.
2. ``methods/mine/encoder.py``: ``marks`` computes the cells that are not 0 in a loading process; ``render`` converts
   these to targets on the device.
3. ``methods/mine/heads.py``: converts the features of the trunk to maps.
4. ``methods/mine/loss.py``: compares maps with targets and returns ``LossTerms``.
5. ``methods/mine/decoder.py``: converts maps to ``Poses``; a frozen dataclass of the skeleton and plain values.
6. ``methods/mine/views.py``: pictures of the maps, as a mapping ``VIEWS``; ``methods/views.py`` has those of heatmaps.
7. ``methods/mine/__init__.py``: ``METHOD = Method(...)``, which lists these parts.
8. ``conf/method/mine.yaml``: the nodes ``encoder``, ``heads``, ``loss`` and ``decoder`` with their options.

Then ``gog-train method=mine`` and all other commands work, and ``tests/methods/test_contract.py`` tests the method.
``method.py`` has the protocols of the parts.
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
    """Return a method by its name, which is that of its folder.

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
        raise InputError(f"method: {method!r} cannot be run from an exported file; use a checkpoint")
    host: Host = importlib.import_module(name).HOST
    return host


def method_of(part: object) -> str:
    """Return the name of the method of an encoder, heads, a loss or a decoder, from the folder of its class."""
    module = type(part).__module__
    if not module.startswith(f"{__name__}."):
        raise InputError(f"method: {type(part).__name__} is not part of a method; choose {', '.join(method_names())}")
    return module.removeprefix(f"{__name__}.").partition(".")[0]
