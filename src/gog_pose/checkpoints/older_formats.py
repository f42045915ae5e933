"""Conversion of descriptions of older formats.

Format 1 had a single trunk and named the method ``grouping``. Format 2 named the decoder's ``agreement`` ``support``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_METHODS = {"gog": "gog", "center": "centernet"}
_RENAMED = {"localiser": "localizer", "support": "agreement"}
_DROPPED = {"method"}  # "sparse" or "dense", without effect on the poses


def converted(description: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a description of format 1 or 2 to format 3.

    Raises:
        KeyError: An entry is missing, or the method is unknown.
    """
    if description["format"] == 2:
        return {**description, "format": 3, "decoder": converted_decoder(description["decoder"])}
    network = dict(description["network"])
    grouping = network.pop("grouping", "gog")
    trunk = network.pop("trunk")
    heads = {"offset_unit": network["offset_unit"]}
    if grouping == "gog":
        heads["refinement"] = network.get("refinement", False)  # missing before refinement offsets were added
    return {
        **description,
        "format": 3,
        "method": _METHODS[grouping],
        "network": {"trunk": {"name": "hourglass", **trunk}, "heads": heads},
        "decoder": converted_decoder(description["decoder"]),
        "preprocessing": converted_preprocessing(description["preprocessing"]),
    }


def converted_decoder(description: Mapping[str, Any]) -> dict[str, Any]:
    """Convert the description of a decoder to format 3."""
    options = {_RENAMED.get(name, name): value for name, value in description.items() if name not in _DROPPED}
    if options.get("rules") == "center":
        options["rules"] = "centernet"
    return options


def converted_preprocessing(description: Mapping[str, Any]) -> dict[str, Any]:
    """Convert the description of preprocessing to format 3."""
    layout = description.get("layout")
    return {**description, "layout": "centered"} if layout == "centernet" else dict(description)
