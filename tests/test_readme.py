"""README and CONTRIBUTING: commands compose, targets and links exist. tests/test_docs.py tests the other pages."""

import re
import shlex
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from gog_pose.cli.runtime import config_dir

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = {name: (REPOSITORY / name).read_text(encoding="utf-8") for name in ("README.md", "CONTRIBUTING.md")}
WORDS = {"ROOT": "/data", "DIR": "/data"}  # what a user fills in


def commands():
    """All gog commands in code, comments cut off."""
    text = "\n".join(PAGES.values())
    fenced = re.findall(r"^```(\w*)\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    blocks = "\n".join(block for language, block in fenced if not language).splitlines()
    inline = re.findall(r"`(gog-[^`]*)`", text)
    lines = (line.split("  #")[0].strip() for line in [*blocks, *inline])
    return sorted({line for line in lines if line.startswith("gog-")})


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
    assert len(commands()) >= 12


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
