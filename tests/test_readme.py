"""The README and the pages of docs/ can be followed: commands compose, Python parses, targets and links exist."""

import ast
import re
import shlex
import textwrap
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from gog_pose.cli.runtime import config_dir

REPOSITORY = Path(__file__).resolve().parents[1]
FILES = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
PAGES = {file.relative_to(REPOSITORY).as_posix(): file.read_text(encoding="utf-8") for file in FILES}
WORDS = {"ROOT": "/data", "DIR": "/data"}  # what a user fills in
# Commands that need what a reader adds: tests/cli/test_own_data.py and tests/networks/test_layout.py try these.
OWN = ("--config-dir", "=mine")


def code(page, language=""):
    """The code blocks of a language, also those that are indented."""
    return [textwrap.dedent(block) for block in re.findall(rf"```(?:{language})\n(.*?)```", page, flags=re.DOTALL)]


def commands():
    """All gog commands in code, comments cut off."""
    found = set()
    for page in PAGES.values():
        blocks = "\n".join(code(page, "|bash|sh|console|shell")).replace("\\\n", " ").splitlines()
        lines = (line.split("  #")[0].strip() for line in [*blocks, *re.findall(r"`(gog-[^`]*)`", page)])
        found |= {line for line in lines if line.startswith("gog-") and not any(word in line for word in OWN)}
    return sorted(found)


@pytest.mark.parametrize("line", commands())
def test_commands_compose(line):
    program, *arguments = shlex.split(line)
    overrides = [argument for argument in arguments if "=" in argument and not argument.startswith("-")]
    if "-m" in arguments:  # each value of a sweep is composed as one run
        overrides = [re.sub(r"=([^\[,]+),.*", r"=\1", override) for override in overrides]
    for word, value in WORDS.items():
        overrides = [override.replace(f"={word}", f"={value}") for override in overrides]
    overrides = [override for override in overrides if not override.startswith("hydra")]  # those: tests/test_sweeps.py
    with initialize_config_dir(config_dir(), version_base="1.3"):
        compose(program.removeprefix("gog-").replace("-", "_"), overrides)


def test_commands_were_found():
    assert len(commands()) >= 40


@pytest.mark.parametrize("name", PAGES)
def test_python_parses(name):
    for block in code(PAGES[name], "python"):
        ast.parse(block)


def test_make_targets_exist():
    makefile = "".join(
        (REPOSITORY / name).read_text(encoding="utf-8") for name in ("Makefile", "experiments/tables.mk")
    )
    target = r"make ([a-z0-9-]+)"
    pages = "\n".join(PAGES.values())
    named = set(re.findall(rf"`{target}[` ]", pages)) | set(re.findall(rf"^{target}", pages, re.MULTILINE))
    assert {"demo", "test"} <= named
    for target in named:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("name", PAGES)
def test_pictures_and_links_exist(name):
    for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)[^)]*\)", PAGES[name]):
        assert ((REPOSITORY / name).parent / target).exists(), target


def test_the_readme_is_a_front_door():
    assert len(PAGES["README.md"].splitlines()) <= 160
