"""Atomic writing of files, and locks that allow only one process to write a folder."""

from __future__ import annotations

import errno
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gog_pose.errors import InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

PART = ".part"  # suffix of unfinished files
LOCK = ".gog_pose.lock"  # lock file in a folder that a process writes
_KEPT = 40  # characters of the file name in the name of the unfinished file, whose length is limited

_REMEDIES = {
    errno.ENOSPC: "free space on this disk, or give a folder on another disk",
    errno.EDQUOT: "your disk quota is exhausted: delete files, or give a folder on another disk",
    errno.EFBIG: "raise the limit on file sizes (ulimit -f), or give a folder on another disk",
    errno.EROFS: "give a folder on a writable disk",
    errno.EACCES: "change its permissions, or give another path",
    errno.EPERM: "change its permissions, or give another path",
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "a part of the path is a file: give another path",
    errno.EEXIST: "a file has this name: give another path",
    errno.EISDIR: "a folder has this name: give another path",
    errno.ENAMETOOLONG: "give a shorter name",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.ENFILE: "close other programs: the system's limit on open files is reached",
    errno.ENOMEM: "close other programs, or use smaller batches and fewer processes",
    errno.EIO: "check the disk",
    errno.ESTALE: "the network disk lost the file: try again",
}


def describe_os_error(error: OSError) -> str:
    """Return the message of an error of the operating system, with a remedy if known."""
    reason = error.strerror or str(error) or type(error).__name__
    remedy = _REMEDIES.get(error.errno or 0)
    return f"{reason}; {remedy}" if remedy else reason


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder, whose file replaces ``path`` when it is complete and on disk.

    The temporary name, ``<name>.<random>.part``, is unique: if several processes write the same file, the last to
    finish wins. If writing fails, the file is unchanged and the temporary file is removed. A killed process leaves its
    temporary file.

    Args:
        path: The file, in an existing folder.

    Raises:
        InputError: The file cannot be written.
    """
    part = path.with_name(f"{path.name[:_KEPT]}.{secrets.token_hex(4)}{PART}")
    try:
        if path.exists() and not path.is_file():  # a folder, or a device such as /dev/null
            raise InputError(f"{path}: cannot be written: is not a file; give another path")
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException as error:
        part.unlink(missing_ok=True)
        cause = _os_error(error)
        if cause is None:
            raise
        raise InputError(f"{path}: cannot be written: {describe_os_error(cause)}") from error


def write_whole(path: Path, content: bytes) -> None:
    """Write a file atomically.

    Raises:
        InputError: The file cannot be written.
    """
    with replaced(path) as part:
        part.write_bytes(content)


def made_folder(folder: str | Path, option: str) -> Path:
    """Create the folder that an option names, if it does not exist, and return its path.

    Raises:
        InputError: The folder cannot be created.
    """
    path = Path(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{option}: {path} cannot be created: {describe_os_error(error)}") from None
    return path


@contextmanager
def only_writer(folder: Path, option: str) -> Iterator[None]:
    """Lock a folder against other writing processes; the folder is created if it does not exist.

    The lock is released when the process ends, for whatever reason. On disks without locks, there is no protection.

    Args:
        folder: The folder.
        option: Option that names the folder, for messages.

    Raises:
        InputError: Another process holds the lock, or this process cannot write to the folder.
    """
    lock = made_folder(folder, option) / LOCK
    file = None
    try:
        while file is None:
            file = _locked(lock)
        with suppress(OSError):  # on a full disk the lock works without this text
            os.ftruncate(file, 0)
            os.write(file, f"process {os.getpid()} on {socket.gethostname()}".encode())
    except BlockingIOError as error:
        raise InputError(
            f"{option}: {folder} is in use by {error.strerror}; wait until it ends, or give another folder"
        ) from None
    except OSError as error:
        raise InputError(f"{option}: {folder} cannot be written: {describe_os_error(error)}") from None
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(file)


def remove_unfinished(folder: Path) -> None:
    """Remove the unfinished files of killed processes from a folder that no other process writes."""
    for part in folder.rglob(f"*{PART}"):
        part.unlink(missing_ok=True)


def _locked(path: Path) -> int | None:
    """Open and lock a file; return None if its last owner has removed it in the meantime.

    The lock is a record lock of this process, so forked loading processes do not hold it.

    Raises:
        BlockingIOError: Another process has locked the file; ``strerror`` names that process.
        OSError: The file cannot be opened.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if fcntl is not None:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN):
            owner = os.pread(file, 200, 0).decode(errors="replace") or "another process"
            os.close(file)
            raise BlockingIOError(errno.EAGAIN, owner) from None
    if path.exists() and os.fstat(file).st_ino == path.stat().st_ino:
        return file
    os.close(file)
    return None


def _os_error(error: BaseException | None) -> OSError | None:
    """Return the operating system's error among the causes of an error, because ``torch.save`` replaces it."""
    seen = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, InputError) or not isinstance(error, Exception):
            return None
        if isinstance(error, OSError):
            return error
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return None
