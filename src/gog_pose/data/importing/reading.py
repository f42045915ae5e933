"""Reading of untrusted annotation files: JSON, YAML and XML of limited size, without aliases and entities."""

from __future__ import annotations

import math
import reprlib
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

import yaml

from gog_pose.data.annotation_file import read_json
from gog_pose.data.rules import FARTHEST
from gog_pose.errors import InputError
from gog_pose.imaging.reading import resolve_inside
from gog_pose.system.files import describe_os_error

_MOST_BYTES = {"json": 2 << 30, "xml": 512 << 20, "yaml": 1 << 20, "txt": 16 << 20}
_DEEPEST = 100  # nested XML elements; CVAT's files have six levels
IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm")


def read_text(path: Path, kind: str) -> str:
    """Read a text file of limited size.

    Raises:
        InputError: The file is missing, too large or not text.
    """
    _check_bytes(path, kind)
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {describe_os_error(error)}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error.reason}); restore it from its source") from None


def load_json(path: Path) -> Any:
    """Read a JSON file of limited size.

    Raises:
        InputError: The file is missing, too large or malformed.
    """
    _check_bytes(path, "json")
    return read_json(path, "annotation file; check the path")


def load_yaml(path: Path) -> Any:
    """Read a YAML file of limited size without aliases, which could expand a few lines to millions of values.

    Raises:
        InputError: The file is missing, too large or malformed, or contains aliases.
    """
    try:
        text = read_text(path, "yaml")
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
            raise InputError(f"{path}: YAML aliases are not supported; replace each with its value")
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        line = " ".join(str(error).split())
        raise InputError(f"{path}: not a readable YAML file ({line}); restore it from its source") from None


def load_xml(path: Path) -> Element:
    """Read an XML file of limited size and depth.

    Raises:
        InputError: The file is missing, too large or malformed, or declares a document type, and so maybe entities.
    """
    _check_bytes(path, "xml")
    try:
        return parse_xml(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {describe_os_error(error)}") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def parse_xml(content: bytes) -> Element:
    """Parse XML without document type, entities or external references.

    Raises:
        InputError: The XML is malformed, is nested too deeply, or declares a document type.
    """
    builder, depth = TreeBuilder(), 0
    parser = expat.ParserCreate()

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEEPEST:
            raise InputError(f"XML elements are nested more than {_DEEPEST} deep; restore the file from its source")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def refuse(*_: Any) -> None:
        raise InputError("the XML declares a document type, which may hide entities; remove its <!DOCTYPE ...>")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    parser.buffer_text = True
    try:
        parser.Parse(content, True)
        return builder.close()
    except (expat.ExpatError, AssertionError, ValueError, LookupError) as error:  # LookupError: unknown encoding
        if isinstance(error, InputError):
            raise
        raise InputError(f"not a readable XML file ({error}); restore it from its source") from None


def number(value: Any, what: str) -> float:
    """Convert a value, which may be text, to a number of limited size.

    Raises:
        InputError: The value is not such a number.
    """
    try:
        read = float(value) if not isinstance(value, bool) else math.nan
    except (TypeError, ValueError, OverflowError):
        read = math.nan
    if not abs(read) <= FARTHEST:
        raise InputError(f"{what}: {reprlib.repr(value)} is not a number up to {FARTHEST:,.0f}; correct it")
    return read


def whole(value: Any, what: str) -> int:
    """Convert a value, which may be text, to a whole number.

    Raises:
        InputError: The value is not a whole number.
    """
    read = number(value, what)
    if read != int(read):
        raise InputError(f"{what}: {reprlib.repr(value)} is not a whole number; correct it")
    return int(read)


def find_image(folder: Path, name: str) -> Path:
    """Return the image file with a name from an annotation; it must lie inside a folder.

    The name may have backslashes (Windows) and may be relative to another folder: if no file has this path, the file of
    the same base name directly in the folder is used.

    Raises:
        InputError: There is no such file, or its name leads out of the folder.
    """
    name = name.replace("\\", "/")
    path = resolve_inside(folder, name)
    for candidate in (path, folder / path.name):
        if candidate.is_file():
            return candidate
    raise InputError(f"the image {name!r} is not in {folder}; add it, or give its folder with images=DIR")


def images_below(folder: Path) -> list[Path]:
    """Return all image files of a folder and its subfolders, sorted."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGES and path.is_file())


def files_named(source: Path, suffix: str) -> list[Path]:
    """Return the source if it is a file with this suffix, or all such files in a source folder, sorted."""
    if source.is_file():
        return [source] if source.suffix.lower() == suffix else []
    return sorted(path for path in source.rglob(f"*{suffix}") if path.is_file())


def _check_bytes(path: Path, kind: str) -> None:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {describe_os_error(error)}") from None
    if size > _MOST_BYTES[kind]:
        raise InputError(f"{path}: {size:,} bytes are more than {_MOST_BYTES[kind]:,}; split the file")
