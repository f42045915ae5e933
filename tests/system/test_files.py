"""Files appear completely or not at all, and a folder has one writer at a time."""

import errno
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from gog_pose.errors import InputError
from gog_pose.system.files import LOCK, describe_os_error, only_writer, remove_unfinished, replaced, write_whole


@pytest.mark.parametrize("before", [None, "old"])
def test_a_file_appears_when_it_is_complete(tmp_path, before):
    path = tmp_path / "file.txt"
    if before is not None:
        path.write_text(before)
    with replaced(path) as part:
        part.write_text("new")
        assert path.exists() == (before is not None)
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def half_written(path, error):
    with replaced(path) as part:
        part.write_text("half of the n")
        raise error


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyboardInterrupt()])
def test_a_file_stays_as_it_was_where_writing_fails(tmp_path, error):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(type(error)):
        half_written(path, error)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO, errno.EBADMSG])
def test_an_error_of_the_disk_is_reported_in_one_line_and_leaves_nothing(tmp_path, code):
    path = tmp_path / "file.txt"
    with pytest.raises(InputError) as told:
        half_written(path, OSError(code, os.strerror(code)))
    assert str(told.value).startswith(f"{path}: cannot be written: {os.strerror(code)}")
    assert "\n" not in str(told.value)
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_the_disk_is_found_behind_that_of_a_library(tmp_path):
    def write():
        with replaced(tmp_path / "file.txt"):
            try:
                raise OSError(errno.ENOSPC, "No space left on device")
            finally:
                raise RuntimeError("unexpected pos 704 vs 598")

    with pytest.raises(InputError, match="No space left on device; free space"):
        write()


@pytest.mark.skipif(os.name != "posix", reason="limits of POSIX")
def test_a_limit_on_file_sizes_is_reported(tmp_path):
    """A real error of the system: the limit is set in a process of its own."""
    program = f"""
        import resource
        from pathlib import Path
        from gog_pose.system.files import write_whole
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            write_whole(Path({str(tmp_path / "big")!r}), bytes(2000))
        except ValueError as error:
            print(error)
    """
    process = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True
    )
    assert "cannot be written: File too large; raise the limit on file sizes" in process.stdout
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_a_file_is_not_replaced(tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("folder", "pipe"):
        with pytest.raises(InputError, match="is not a file"):
            write_whole(tmp_path / name, b"content")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["folder", "pipe"]


def test_two_writers_of_one_file_do_not_mix(tmp_path):
    path = tmp_path / "file"
    with replaced(path) as one, replaced(path) as two:
        assert one != two
        one.write_bytes(b"1" * 1000)
        two.write_bytes(b"2" * 1000)
    assert path.read_bytes() == b"1" * 1000  # the last to finish
    assert list(tmp_path.iterdir()) == [path]


def test_a_name_as_long_as_a_name_can_be_is_written(tmp_path):
    path = tmp_path / ("ü" * 127)
    write_whole(path, b"content")
    assert path.read_bytes() == b"content"


WRITER = """
import sys, time
from pathlib import Path
from gog_pose.errors import InputError
from gog_pose.system.files import only_writer
try:
    with only_writer(Path(sys.argv[1]), "output"):
        print("writing", flush=True)
        sys.stdin.read()
except InputError as error:
    print(error, flush=True)
"""


def writer(folder):
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("end", ["finished", "killed"])
def test_a_folder_has_one_writer_until_that_ends(tmp_path, end):
    folder = tmp_path / "new/folder"
    first = writer(folder)
    assert first.stdout.readline() == "writing\n"
    with (
        pytest.raises(InputError, match=rf"output: .*folder is in use by process {first.pid} on "),
        only_writer(folder, "output"),
    ):
        pytest.fail("two writers")
    if end == "killed":
        first.send_signal(signal.SIGKILL)
    first.communicate("")
    with only_writer(folder, "output"):
        second = writer(folder)
        assert f"is in use by process {os.getpid()}" in second.communicate("")[0]
    assert list(folder.iterdir()) == []


FORKING = """
import os, sys, time
from pathlib import Path
from gog_pose.system.files import only_writer
with only_writer(Path(sys.argv[1]), "output"):
    child = os.fork()
    if not child:
        os.close(1)
        time.sleep(60)
        os._exit(0)
    print(child, flush=True)
    os.kill(os.getpid(), 9)
"""


def test_a_forked_process_does_not_hold_the_folder(tmp_path):
    """Loading processes outlive a killed training for some seconds."""
    process = subprocess.run(
        [sys.executable, "-c", FORKING, str(tmp_path)], stdout=subprocess.PIPE, text=True, check=False
    )
    child = int(process.stdout)
    try:
        with only_writer(tmp_path, "output"):
            assert (tmp_path / LOCK).exists()
            os.kill(child, 0)  # it is still there
    finally:
        os.kill(child, signal.SIGKILL)


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_folder_that_is_a_file_is_refused(tmp_path, place):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"output: .*cannot be created: "), only_writer(tmp_path / place, "output"):
        pytest.fail("no folder")


def test_what_killed_processes_left_is_removed(tmp_path):
    write_whole(tmp_path / "last.ckpt", b"whole")
    (tmp_path / "last.ckpt.0123abcd.part").write_bytes(b"half")
    remove_unfinished(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["last.ckpt"]


def test_errors_without_a_number_have_words():
    assert describe_os_error(OSError("the tape is full")) == "the tape is full"
    assert describe_os_error(OSError()) == "OSError"
