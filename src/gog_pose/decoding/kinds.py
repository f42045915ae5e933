"""The decoders by name, so that a checkpoint or a caller can say which one it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from gog_pose.center.decoder import CenterDecoder
from gog_pose.decoding.decoder import GogDecoder
from gog_pose.decoding.official import OfficialDecoder
from gog_pose.errors import InputError
from gog_pose.interfaces import Decoder
from gog_pose.skeleton import Skeleton

_RULES: dict[str, Any] = {"gog": GogDecoder, "official": OfficialDecoder, "center": CenterDecoder}


def describe_decoder(decoder: Decoder) -> dict[str, Any]:
    """Return plain values from which ``build_decoder`` makes an equal decoder: ``rules`` and the options."""
    return {"rules": _rules_of(decoder), **_options(decoder)}


def build_decoder(skeleton: Skeleton, description: Mapping[str, Any]) -> Decoder:
    """Build the decoder that ``describe_decoder`` described; without ``rules`` it is a ``GogDecoder``.

    Raises:
        InputError: There are no such rules, or an option is out of its range.
        TypeError: An option is unknown.
    """
    options = dict(description)
    decoder: Decoder = _kind(options.pop("rules", "gog"))(skeleton, **options)
    return decoder


def change_decoder(decoder: Decoder, options: Mapping[str, Any]) -> Decoder:
    """Return a decoder with other options, or by other ``rules``; those take over the stride alone.

    Raises:
        InputError: There are no such rules, or an option is unknown or out of its range.
    """
    changed = dict(options)
    kind = _kind(changed.pop("rules", _rules_of(decoder)))
    start: Any = decoder if type(decoder) is kind else kind(decoder.skeleton, stride=decoder.stride)
    try:
        replaced: Decoder = replace(start, **changed)
        return replaced
    except TypeError as error:
        raise InputError(f"decoder: {error}; choose from {', '.join(_options(start))}") from None


def _options(decoder: Any) -> dict[str, Any]:
    """Return all but the skeleton."""
    return {field.name: getattr(decoder, field.name) for field in fields(decoder) if field.name != "skeleton"}


def _kind(rules: str) -> Any:
    if rules not in _RULES:
        raise InputError(f"decoder.rules: {rules!r} is unknown; choose {' or '.join(_RULES)}")
    return _RULES[rules]


def _rules_of(decoder: Decoder) -> str:
    return next(rules for rules, kind in _RULES.items() if type(decoder) is kind)
