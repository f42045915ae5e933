"""A YAML file whose aliases would grow beyond all bounds is refused before anything builds it."""

import subprocess
import sys

import pytest

from gog_pose.cli.aliases import check_aliases
from gog_pose.errors import InputError

LEVELS = "".join(f"l{level}: &l{level} [{', '.join([f'*l{level - 1}'] * 10)}]\n" for level in range(1, 9))
BOMB = f"l0: &l0 [a, b]\n{LEVELS}"  # 2 x 10^8 values


@pytest.mark.parametrize("option", [["--config-dir", "{}"], ["--config-dir={}"], ["-cd", "{}"]])
def test_files_that_no_argument_names_are_checked_too(tmp_path, option):
    (tmp_path / "skeleton").mkdir()
    (tmp_path / "skeleton" / "mine.yaml").write_text("defaults: [base]\n")
    arguments = ["skeleton=mine", *(part.format(tmp_path) for part in option)]
    check_aliases(arguments)
    (tmp_path / "skeleton" / "base.yaml").write_text(BOMB)
    with pytest.raises(InputError, match=r"base\.yaml: its aliases expand to more than 100000 values"):
        check_aliases(arguments)


def test_aliases_of_ordinary_size_and_broken_files_pass(tmp_path):
    (tmp_path / "pair.yaml").write_text("left: &left [1, 2, 3]\nright: *left\n")
    (tmp_path / "broken.yaml").write_text("[1, 2\n")
    (tmp_path / "latin.yaml").write_bytes(b"name: \xe9\n")
    check_aliases(["--config-dir", str(tmp_path)])


def test_a_command_reports_it_in_one_line(tmp_path):
    (tmp_path / "skeleton").mkdir()
    (tmp_path / "skeleton" / "mine.yaml").write_text(BOMB)
    command = [sys.executable, "-m", "gog_pose.cli.oracle", "--config-dir", str(tmp_path), "skeleton=mine"]
    process = subprocess.run([*command, "annotations=absent.json"], capture_output=True, text=True, cwd=tmp_path)
    assert process.returncode == 2
    assert "mine.yaml: its aliases" in process.stderr
    assert len(process.stderr.splitlines()) == 1
