"""Writing files that are there completely or not at all, and folders that one process writes at a time."""

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

PART = ".part"  # what unfinished files end with
LOCK = ".gog_pose.lock"  # in a folder that a process writes
_KEPT = 40  # characters of a file's name in that of its unfinished file, which may be no longer than a name can be

_REMEDIES = {
    errno.ENOSPC: "free space on this disk, or give a folder on another",
    errno.EDQUOT: "your quota is used up: delete files, or give a folder elsewhere",
    errno.EFBIG: "raise the limit on file sizes (ulimit -f), or give a folder on another disk",
    errno.EROFS: "give a folder on a disk that can be written",
    errno.EACCES: "change its permissions, or give another place",
    errno.EPERM: "change its permissions, or give another place",
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "a part of the path is a file: give another place",
    errno.EEXIST: "a file has this name: give another place",
    errno.EISDIR: "a folder has this name: give another place",
    errno.ENAMETOOLONG: "give a shorter name",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.ENFILE: "close other programs: the system has no more open files",
    errno.ENOMEM: "close other programs, or use smaller batches and fewer processes",
    errno.EIO: "check the disk",
    errno.ESTALE: "the network disk lost the file: try again",
}


def describe_os_error(error: OSError) -> str:
    """Return an error of the operating system in words, with its remedy where there is one."""
    reason = error.strerror or str(error) or type(error).__name__
    remedy = _REMEDIES.get(error.errno or 0)
    return f"{reason}; {remedy}" if remedy else reason


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Give a place beside a file to write to; what is written there takes the file's place once it is on disk.

    The place has a name of its own, ``<name>.<random>.part``: of several processes that write one file the last to
    finish wins. Where writing fails, the file stays as it was and the part is removed. A process that is killed
    meanwhile leaves the part.

    Args:
        path: The file, in a folder that is there.

    Raises:
        InputError: The file cannot be written.
    """
    part = path.with_name(f"{path.name[:_KEPT]}.{secrets.token_hex(4)}{PART}")
    try:
        if path.exists() and not path.is_file():  # a folder, or a device such as /dev/null
            raise InputError(f"{path}: cannot be written: it is not a file; give another place")
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
    """Write a file that is there completely or not at all.

    Raises:
        InputError: It cannot be written.
    """
    with replaced(path) as part:
        part.write_bytes(content)


def made_folder(folder: str | Path, option: str) -> Path:
    """Return the folder that an option names, made if it does not exist.

    Raises:
        InputError: It cannot be made.
    """
    path = Path(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{option}: {path} cannot be made: {describe_os_error(error)}") from None
    return path


@contextmanager
def only_writer(folder: Path, option: str) -> Iterator[None]:
    """Keep other processes from writing a folder, which is made if it does not exist.

    The lock ends with the process, however that ends. Where a disk has no locks, nothing is kept.

    Args:
        folder: The folder.
        option: Its name for messages.

    Raises:
        InputError: Another process is writing the folder, or this one may not.
    """
    lock = made_folder(folder, option) / LOCK
    file = None
    try:
        while file is None:
            file = _locked(lock)
        with suppress(OSError):  # a full disk still has the lock
            os.ftruncate(file, 0)
            os.write(file, f"process {os.getpid()} on {socket.gethostname()}".encode())
    except BlockingIOError as error:
        raise InputError(
            f"{option}: {folder} is in use by {error.strerror}; wait for its end, or give another folder"
        ) from None
    except OSError as error:
        raise InputError(f"{option}: {folder} cannot be written: {describe_os_error(error)}") from None
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(file)


def remove_unfinished(folder: Path) -> None:
    """Remove what killed processes left in a folder that no other process writes."""
    for part in folder.rglob(f"*{PART}"):
        part.unlink(missing_ok=True)


def _locked(path: Path) -> int | None:
    """Open and lock a file; return None where its last owner has removed it meanwhile.

    A record lock of the process, so that the loading processes which it forks do not hold it.

    Raises:
        BlockingIOError: Another process has locked it; ``strerror`` names that process.
        OSError: It cannot be opened.
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
    """Return the error of the operating system behind an error: ``torch.save`` reports its own in its place."""
    seen = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, InputError) or not isinstance(error, Exception):
            return None
        if isinstance(error, OSError):
            return error
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return None
