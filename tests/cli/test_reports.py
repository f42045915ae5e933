"""Errors of the machine and mistakes in files: one line with the remedy, exit code 2."""

import errno
import os
import subprocess
import sys

import pytest
import yaml
from hydra.errors import InstantiationException

from gog_pose.cli.reports import line_of
from gog_pose.cli.runtime import config_dir
from gog_pose.errors import InputError


def line(error, **options):
    return line_of(error, config_dir(), **options)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "free space"),
        (PermissionError(errno.EACCES, "Permission denied", "a.json"), "a.json: Permission denied; change its perm"),
        (OSError(errno.EROFS, "Read-only file system", "out"), "out: Read-only file system; give a folder"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "quota"),
        (OSError(errno.EMFILE, "Too many open files"), "ulimit -n"),
        (MemoryError("17 GB"), "out of memory"),
        (RuntimeError("unable to open shared memory object </torch_1_2_3> in read-write mode: No such file"), "shm"),
        (RuntimeError("DataLoader worker (pid(s) 3) is killed by signal: Bus error. It is possible that"), "shm-size"),
        (RuntimeError("DataLoader worker (pid 3) is killed by signal: Killed."), "memory"),
        (RuntimeError("received 0 items of ancdata"), "ulimit"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), "smaller batches"),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"), "smaller"),
        (RuntimeError("Found no NVIDIA driver on your system."), "device=cpu"),
        (AssertionError("Torch not compiled with CUDA enabled"), "device=cpu"),
        (RuntimeError("The server socket has failed to listen (EADDRINUSE, address already in use)"), "MASTER_PORT"),
        (yaml.YAMLError("while parsing a flow sequence\n in a.yaml"), "invalid YAML"),
        (UnicodeDecodeError("utf-8", b"a: b\nname: caf\xe9", 14, 15, "invalid"), "name: caf"),
        (InstantiationException("Error in call to target 'a.B':\nfull_key: trainer"), "Error in call"),
        (InputError("data.root: no such folder"), "data.root: no such folder"),
    ],
)
def test_known_errors_are_one_line(error, words):
    assert words in line(error)
    assert "\n" not in line(error)


@pytest.mark.parametrize("error", [RuntimeError("a bug"), KeyError("x"), TypeError("f() takes 2"), ValueError("odd")])
def test_bugs_are_not_hidden(error):
    assert line(error) is None
    assert "configuration: " in line(error, composing=True)  # Hydra raises such on mistakes


def failed(tmp_path, *arguments, **environment):
    """Run ``gog-train`` in a process; return the only line that it printed as error."""
    process = subprocess.run(
        [sys.executable, "-m", "gog_pose.cli.train", *arguments, f"hydra.run.dir={tmp_path / 'run'}"],
        capture_output=True, text=True, cwd=tmp_path, env={**os.environ, **environment}, check=False,
    )  # fmt: skip
    assert process.returncode == 2, process.stderr
    (told,) = process.stderr.splitlines()
    return told


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("syntax", b"a: [1, 2\nb: {", "syntax.yaml"),
        ("object", b"x: !!python/object/apply:os.system ['touch ran']", "object.yaml"),
        ("latin", b"name: caf\xe9", "latin.yaml"),
        ("recursive", b"aa: ${bb}\nbb: ${aa}\ntags: ${aa}", "ecursive"),
        ("unset", b"seed: ${oc.env:NOT_SET_ANYWHERE}", "NOT_SET_ANYWHERE"),
        (
            "laughs",
            b"a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
            + b"".join(b"a%d: &a%d [%s]\n" % (i, i, b",".join([b"*a%d" % (i - 1)] * 10)) for i in range(1, 8)),
            "laughs.yaml",
        ),
    ],
)
def test_a_configuration_that_is_none_is_refused_in_one_line(tmp_path, name, content, words):
    folder = tmp_path / "more/experiment"
    folder.mkdir(parents=True)
    (folder / f"{name}.yaml").write_bytes(b"# @package _global_\n" + content)
    assert words in failed(tmp_path, "--config-dir", "more", f"experiment={name}", "trainer=cpu", "data.root=none")
    assert not (tmp_path / "ran").exists()


def test_a_folder_that_is_a_file_is_refused_in_one_line(tmp_path):
    (tmp_path / "run").write_text("")
    assert "run" in failed(tmp_path, "trainer=cpu", "data.root=none")
