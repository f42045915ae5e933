"""Reading of files in a separate process, so that hostile or damaged files crash only their decoder."""

from __future__ import annotations

import contextlib
import os
import pickle
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

from gog_pose.errors import InputError

if TYPE_CHECKING:
    from gog_pose.media.frames import Frame, ImageFile, VideoFile

_PATIENCE = 300.0  # s per picture; a decoder that takes longer is stuck
_PROGRAM = "import sys; sys.path[:] = sys.argv[1:]; from gog_pose.media.reader import serve; serve()"


class Reader:
    """Reads files in a separate process, which is started on first use and again after a crash."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._printed: IO[bytes] | None = None  # what decoders print

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def frames(self, medium: ImageFile | VideoFile, every: int) -> Iterator[Frame]:
        """Yield every n-th frame of a file, as its ``frames`` does.

        Raises:
            InputError: The file cannot be read completely, or its decoder reports errors, crashes or is stuck.
        """
        number = 0
        self._request(medium, every)
        try:
            while (reply := self._reply(medium, number)) is not None:
                if isinstance(reply, InputError):
                    raise reply
                yield reply
                number += 1
        except GeneratorExit:
            self._end()  # otherwise the process would continue to read this file
            raise

    def count(self, medium: VideoFile) -> int | None:
        """Return the approximate number of frames; 0 if the file cannot be read; None if the file does not state it."""
        self._request(medium, None)
        try:
            count: int | None = self._reply(medium, 0)
        except InputError:  # reported again when the frames are read
            return 0
        return count

    def _request(self, medium: ImageFile | VideoFile, every: int | None) -> None:
        if self._process is None:
            self._printed = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the process
            # In a new session, so that Ctrl+C reaches only this process, which then ends the reading process.
            self._process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, *sys.path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._printed,
                start_new_session=True,
            )
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # a crash is reported when the reply is read
            pickle.dump((medium, every), self._process.stdin)
            self._process.stdin.flush()

    def _reply(self, medium: ImageFile | VideoFile, number: int) -> Any:
        process = self._process
        assert process is not None
        assert process.stdout is not None
        timer = threading.Timer(_PATIENCE, process.kill)
        timer.start()
        try:
            return pickle.load(process.stdout)
        except (EOFError, pickle.UnpicklingError):
            is_stuck = not timer.is_alive()
        finally:
            timer.cancel()
        code = process.wait()
        failure = self._failure(code)
        self._end()
        if is_stuck:
            reason = f"takes more than {_PATIENCE:.0f} s per picture"
        elif code < 0:
            reason = f"crashes ({signal.Signals(-code).name})"
        elif code > 255:  # Windows
            reason = f"crashes ({code:#x})"
        else:
            raise RuntimeError(f"the process that reads files failed:\n{failure}")
        raise InputError(f"{medium.name}: the decoder {reason} after {number} frames; convert or remove the file")

    def _failure(self, code: int) -> str:
        assert self._printed is not None
        self._printed.seek(0)
        return self._printed.read().decode(errors="replace") or f"exit code {code}"

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        assert self._printed is not None
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, self._printed):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


def serve() -> None:
    """Run the reading process: read the files requested on the standard input until it ends."""
    for number in (signal.SIGINT, signal.SIGTERM):  # the parent process ends this one
        signal.signal(number, signal.SIG_IGN)
    from gog_pose.media.video import keep_decoder_errors

    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # output that libraries print must not mix with the replies
    keep_decoder_errors()
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            medium, every = pickle.load(sys.stdin.buffer)
            for reply in _replies(medium, every):
                pickle.dump(reply, replies, pickle.HIGHEST_PROTOCOL)
                replies.flush()


def _replies(medium: ImageFile | VideoFile, every: int | None) -> Iterator[Any]:
    """Yield the number of frames or, if ``every`` is given, every n-th frame; then None or an ``InputError``."""
    from gog_pose.media.frames import VideoFile

    try:
        if every is None:
            yield medium.count()
            return
        number, complaint = 0, ""
        for frame in medium.frames(every):
            yield frame
            number += 1
            complaint = complaint or _complaint()
        complaint = complaint or _complaint()
        if complaint and isinstance(medium, VideoFile):
            raise InputError(
                f"{medium.name}: may be incomplete: {number} frames were read, but the decoder reports: {complaint}"
            )
        yield None
        return
    except InputError as found:
        error = found
    except MemoryError:
        error = InputError(f"{medium.name}: there is not enough memory to read it; convert it to a smaller size")
    except Exception as unforeseen:  # libraries raise many types of errors; continue with the other files
        error = InputError(f"{medium.name}: cannot be read ({type(unforeseen).__name__}: {unforeseen}); convert it")
    _complaint()
    yield error


def _complaint() -> str:
    """Return the first line that libraries have printed since the last call, without memory addresses."""
    sys.stderr.flush()
    if not os.lseek(2, 0, os.SEEK_CUR):
        return ""
    os.lseek(2, 0, os.SEEK_SET)
    printed = os.read(2, 4096)
    os.lseek(2, 0, os.SEEK_SET)
    os.ftruncate(2, 0)
    lines = printed.decode(errors="replace").splitlines()
    return re.sub(r" @ 0x[0-9a-f]+", "", lines[0]) if lines else ""
