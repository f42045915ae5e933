"""Conversion of decoders to and from plain values for checkpoints: the name of the rules and the options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from gog_pose.errors import InputError
from gog_pose.methods import load_method, method_of
from gog_pose.methods.method import Decoder
from gog_pose.skeleton import Skeleton
from gog_pose.system.options import check_arguments


def describe_decoder(decoder: Decoder) -> dict[str, Any]:
    """Return plain values from which ``build_decoder`` builds an equal decoder: ``rules`` and the options."""
    rules = load_method(method_of(decoder)).decoders
    return {"rules": next(name for name, kind in rules.items() if type(decoder) is kind), **decoder_options(decoder)}


def build_decoder(skeleton: Skeleton, method: str, description: Mapping[str, Any]) -> Decoder:
    """Build a decoder from the output of ``describe_decoder``; without ``rules``, the method's default decoder.

    Raises:
        InputError: There are no such rules, or an option is unknown, of another type, or out of its range.
    """
    options = dict(description)
    kind = _kind(method, options.pop("rules", None))
    check_arguments(kind, options, "decoder")
    decoder: Decoder = kind(skeleton, **options)
    return decoder


def change_decoder(decoder: Decoder, options: Mapping[str, Any]) -> Decoder:
    """Return a decoder with other options, or with other ``rules`` of the same method, which keep only the stride.

    Raises:
        InputError: There are no such rules, or an option is unknown or out of its range.
    """
    changed = dict(options)
    kind: Any = _kind(method_of(decoder), changed.pop("rules")) if "rules" in changed else type(decoder)
    start: Any = decoder if type(decoder) is kind else kind(decoder.skeleton, stride=decoder.stride)
    check_arguments(type(start), {**decoder_options(start), **changed}, "decoder")
    replaced: Decoder = replace(start, **changed)
    return replaced


def decoder_options(decoder: Any) -> dict[str, Any]:
    """Return all fields of a decoder except the skeleton."""
    return {field.name: getattr(decoder, field.name) for field in fields(decoder) if field.name != "skeleton"}


def _kind(method: str, rules: str | None) -> Any:
    loaded = load_method(method)
    if rules is None:
        return loaded.decoder
    if rules not in loaded.decoders:
        raise InputError(
            f"decoder.rules: {rules!r} is unknown for method {method}; choose {' or '.join(loaded.decoders)}"
        )
    return loaded.decoders[rules]
