"""Protection against YAML files whose aliases expand to a huge number of values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from gog_pose.errors import InputError

_MOST_NODES = 100_000  # per file with expanded aliases; the files of this package have fewer than a hundred
_OPTIONS = ("--config-dir", "-cd", "--config-path", "-cp")


def check_aliases(arguments: Sequence[str]) -> None:
    """Check all YAML files in the configuration folders that a command line adds.

    Args:
        arguments: Arguments of the command.

    Raises:
        InputError: A file would become too large: eight lines of aliases can expand to ten million values.
    """
    for place, argument in enumerate(arguments):
        option, _, value = argument.partition("=")
        if option in _OPTIONS:
            folder = Path(value or "".join(arguments[place + 1 : place + 2]))
            for file in sorted(folder.rglob("*.yaml")) if folder.is_dir() else ():
                _check(file)


def _check(file: Path) -> None:
    """Count the nodes of a file from its parser events, in linear time and without building the nodes."""
    sizes: dict[str, int] = {}  # number of nodes per anchor
    open_anchors: list[tuple[str | None, int]] = []
    count = 0
    try:
        for event in yaml.parse(file.read_bytes(), Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                count += sizes.get(event.anchor, 0)
            elif isinstance(event, yaml.CollectionEndEvent):
                anchor, before = open_anchors.pop()
                if anchor is not None:
                    sizes[anchor] = count - before
            elif isinstance(event, yaml.NodeEvent):
                if isinstance(event, yaml.CollectionStartEvent):
                    open_anchors.append((event.anchor, count))
                elif event.anchor is not None:
                    sizes[event.anchor] = 1
                count += 1
            if count > _MOST_NODES:
                raise InputError(
                    f"{file}: its aliases expand to more than {_MOST_NODES} values; write the values without aliases"
                )
    except (yaml.YAMLError, UnicodeDecodeError, OSError, RecursionError):
        return  # reported when Hydra reads the file
