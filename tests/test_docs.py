"""Pages of the documentation: commands compose, make targets, links and pictures exist."""

import ast
import re
import shlex
import textwrap
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir

from gog_pose.cli.runtime import config_dir

REPOSITORY = Path(__file__).resolve().parents[1]
DOCS = REPOSITORY / "docs"
GENERATED = {"configuration.md", "changelog.md"}  # by make docs, which checks the links to them
PAGES = {
    path.relative_to(DOCS).as_posix(): path.read_text(encoding="utf-8")
    for path in sorted(DOCS.rglob("*.md"))
    if path.name not in GENERATED
}
WORDS = {"MODEL": "hourglass_tiny", "METHOD": "gog"}  # what readers fill in and Hydra looks up

every_page = pytest.mark.parametrize("page", PAGES)


def blocks(text, language=""):
    """Return the code blocks of a language."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    return [block for name, block in fenced if name == language]


def commands(text):
    """Return the gog commands in code, without comments and without those that need a folder of the reader's."""
    lines = "\n".join(blocks(text)).splitlines() + re.findall(r"`(gog-[^`]*)`", text)
    lines = [line.split("  #")[0].strip() for line in lines]
    return sorted({line for line in lines if line.startswith("gog-") and "--config-dir" not in line})


@every_page
def test_commands_compose(page):
    with initialize_config_dir(config_dir(), version_base="1.3"):
        for line in commands(PAGES[page]):
            program, *arguments = shlex.split(line)
            overrides = [argument for argument in arguments if "=" in argument and not argument.startswith("-")]
            if "-m" in arguments:  # each value of a sweep is composed as one run
                overrides = [re.sub(r"=([^\[,]+),.*", r"=\1", override) for override in overrides]
            overrides = [re.sub(r"=(\w+)$", lambda m: "=" + WORDS.get(m[1], m[1]), override) for override in overrides]
            overrides = [override for override in overrides if not override.startswith("hydra")]
            compose(program.removeprefix("gog-").replace("-", "_"), overrides)


def test_commands_were_found():
    assert sum(len(commands(text)) for text in PAGES.values()) >= 60


@every_page
def test_links_and_pictures_exist(page):
    folder = (DOCS / page).parent
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", PAGES[page]):
        if target.rpartition("/")[2] not in GENERATED:
            assert (folder / target).is_file(), target
            assert (folder / target).resolve().is_relative_to(DOCS), f"{target} is not part of the site"


@every_page
def test_make_targets_exist(page):
    makefile = "".join(
        (REPOSITORY / name).read_text(encoding="utf-8") for name in ("Makefile", "experiments/tables.mk")
    )
    target = r"make ([a-z0-9-]+)"
    named = set(re.findall(rf"`{target}[` ]", PAGES[page])) | set(re.findall(rf"^{target}", PAGES[page], re.MULTILINE))
    for name in named:
        assert re.search(rf"^{name}:", makefile, re.MULTILINE), name


@every_page
def test_python_and_yaml_can_be_read(page):
    for block in blocks(PAGES[page], "python"):
        ast.parse(textwrap.dedent(block))
    for block in blocks(PAGES[page], "yaml"):
        yaml.safe_load(block)


@every_page
def test_options_and_choices_in_tables_exist(page):
    """Names such as ``method=gog`` in text are files of their group."""
    groups = {path.name for path in (REPOSITORY / "conf").iterdir() if path.is_dir()}
    for group, choice in re.findall(r"`([a-z]+)=([a-z0-9_]+)`", PAGES[page]):
        if group in groups:
            assert (REPOSITORY / "conf" / group / f"{choice}.yaml").is_file(), f"{group}={choice}"


def test_the_navigation_lists_every_page():
    navigation = (REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    listed = set(re.findall(r"[\w/]+\.md", navigation))
    assert listed == PAGES.keys() | GENERATED


def test_each_method_has_a_page():
    """The folders are read, because a method of other tests may be registered in this process."""
    methods = (REPOSITORY / "src/gog_pose/methods").glob("*/__init__.py")
    assert {f"methods/{path.parent.name}.md" for path in methods} == {
        page for page in PAGES if re.fullmatch(r"methods/(?!index)\w+\.md", page)
    }


def test_api_names_exist():
    import importlib

    for name in re.findall(r"^::: (\S+)", PAGES["api.md"], re.MULTILINE):
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), name
