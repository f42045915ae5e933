"""Writing files that are there completely or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Give a place beside a file to write to; what is written there takes the file's place once it is on disk.

    A process that is killed meanwhile leaves the file as it was, and ``<name>.part`` beside it.

    Args:
        path: The file, in a folder that is there.
    """
    part = path.with_name(path.name + ".part")
    yield part
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(part, path)
