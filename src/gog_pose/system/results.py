"""Results files of commands, as JSON and as CSV tables."""

from __future__ import annotations

import csv
import hashlib
import importlib.metadata
import json
import math
import os
import platform
import subprocess
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gog_pose.errors import InputError
from gog_pose.system.files import made_folder, replaced


def results_path(results: str) -> Path:
    """Return the path of the results file and create its folder.

    Commands call this first, so that a wrong path is reported before the measurement.

    Raises:
        InputError: The file cannot be written.
    """
    path = Path(results)
    if path.suffix == ".csv":
        raise InputError(f"results: {path} must be a JSON file (CSV tables are written beside it); give FILE.json")
    made_folder(path.parent, "results")
    if (path.exists() and not path.is_file()) or not os.access(path.parent, os.W_OK):
        raise InputError(f"results: {path} cannot be written; give another file")
    return path


def write_results(path: Path, record: Any) -> None:
    """Write a record as JSON; nan and infinity become null."""
    with replaced(path) as part:
        part.write_text(json.dumps(_plain(record), indent=2) + "\n", encoding="utf-8")


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a CSV file with a header. Numbers are rounded as in JSON; nan, infinite and missing values are empty.

    Args:
        path: The file.
        rows: Rows, whose keys are the columns, in the order of first appearance.
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with replaced(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(_plain(rows))


def table_path(results: Path, part: str | None = None) -> Path:
    """Return the CSV file beside a results file: ``<stem>.csv``, or ``<stem>_<part>.csv``."""
    return results.with_name(results.stem + (f"_{part}" if part else "") + ".csv")


def values(record: Any, without: Collection[str] = (), path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of a nested record with their paths, such as ``people.lost`` or ``rows.0.ratio``.

    Args:
        record: Mappings and lists of values.
        without: Keys to leave out, at all levels.
        path: Path of the record.
    """
    if isinstance(record, (Mapping, list, tuple)):
        items = record.items() if isinstance(record, Mapping) else enumerate(record)
        for key, item in items:
            if key not in without:
                yield from values(item, without, f"{path}.{key}" if path else str(key))
    else:
        yield path, record


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that affect measurements."""
    packages = ("gog-pose", "torch", "numpy", "pycocotools", "opencv-python-headless")
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in packages}}


def commit() -> str | None:
    """Return the git commit of the package, with ``-dirty`` if files were changed; None outside a checkout."""
    package = Path(__file__).parent
    try:
        tracked = _git(package, "ls-files", "--error-unmatch", Path(__file__).name)  # untracked in other repositories
        return _git(package, "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty") if tracked else None
    except (OSError, subprocess.CalledProcessError):
        return None


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _git(folder: Path, *arguments: str) -> str:
    process = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True, timeout=60)
    return process.stdout.strip()


def _plain(value: Any) -> Any:
    """Round to six decimals and replace numbers that are not finite by None."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value
